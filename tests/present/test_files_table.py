"""The table of a listing."""

# ruff: noqa: RUF001 - the dashes of the expected tables are meant
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from poller.present.files_table import FilesTable
from poller.present.terminal import cells
from poller.values import Failure, FailureKind, FileEntry, Identity

NOW = datetime(2026, 11, 22, 15, 4, tzinfo=UTC).timestamp()  # a Sunday
HOUR_S, DAY_S = 3_600, 86_400

WORK = FileEntry(
    0,
    "work",
    "account/work.auth.json",
    shape="codex",
    plan="plus",
    expires_at=NOW + 5 * DAY_S,
    has_refresh_token=True,
    refresh="in_place",
    mode=0o600,
)
COPY = replace(
    WORK,
    position=1,
    account="copy",
    source="account/copy.auth.json",
    same_login_as="work",
    same_account_as="work",
    mode=0o644,
)
STUDY = replace(
    WORK,
    position=2,
    account="学习",
    source="account/学习.auth.json",
    plan="free",
    expires_at=NOW + 3 * HOUR_S,
    refresh="codex_home",
)
PHONE = replace(
    WORK,
    position=3,
    account="phone",
    source="account/phone.auth.json",
    same_account_as="work",
    refresh="hard_link",
    mode=0o640,
)
EXPIRED = Failure(FailureKind.TOKEN_EXPIRED, "the access token expired 1 day ago", "let codex")
LAPTOP = replace(
    WORK, position=4, account="old-laptop", expires_at=NOW - 1.2 * DAY_S, failure=EXPIRED
)
MINI = replace(
    LAPTOP,
    position=5,
    account="mac-mini",
    expires_at=NOW - 3 * DAY_S,
    refresh="no_refresh_token",
)
BROKEN = FileEntry(
    6,
    "broken",
    "account/broken.auth.json",
    failure=Failure(FailureKind.FILE_INVALID, "the file is empty", "copy the auth file again"),
)
FOLDER = (WORK, COPY, STUDY, PHONE, LAPTOP, MINI, BROKEN)


def drawn(
    *entries: FileEntry,
    width: int = 80,
    color: bool = False,
    unicode: bool = True,
    language: str = "en",
) -> str:
    table = FilesTable(ZoneInfo("UTC"), language=language)
    for entry in entries:
        table.add(entry)
    return "".join(table.render(width=width, color=color, unicode=unicode, now=NOW))


ON_EIGHTY_CELLS = """\
Auth files, nothing sent · 7 accounts             Sun 22 Nov 15:04, times in UTC
  account     file   plan  token expires  --refresh         same as another
✓ work        codex  plus  in 5 days      works
✓ copy        codex  plus  in 5 days      works             same login as work
✓ 学习        codex  free  in 3 hours     Codex's own file
✓ phone       codex  plus  in 5 days      hard-linked file  same account as work
✗ old-laptop  codex  plus  1 day ago      works
✗ mac-mini    codex  plus  3 days ago     no refresh token
✗ broken      –      –     –              –
✗ the file is empty: broken → copy the auth file again
✗ token expired: mac-mini (3 days ago) → log in with codex and copy again
✗ token expired: old-laptop (1 day ago) → poller --refresh, or log in with codex
  and copy again
! others on this machine can read account/copy.auth.json,
  account/phone.auth.json → chmod 600
4 can be polled · 3 cannot · next token expires in 3 hours: 学习
"""

ON_A_HUNDRED_AND_TWENTY = """\
Auth files, nothing sent · 7 accounts                            Sun 22 Nov 15:04, times in UTC
  account     file   plan  token expires                 --refresh         same as another
✓ work        codex  plus  in 5 days, Fri 27 Nov 15:04   works
✓ copy        codex  plus  in 5 days, Fri 27 Nov 15:04   works             same login as work
✓ 学习        codex  free  in 3 hours, 18:04             Codex's own file
✓ phone       codex  plus  in 5 days, Fri 27 Nov 15:04   hard-linked file  same account as work
✗ old-laptop  codex  plus  1 day ago, Sat 21 Nov 10:16   works
✗ mac-mini    codex  plus  3 days ago, Thu 19 Nov 15:04  no refresh token
✗ broken      –      –     –                             –
✗ the file is empty: broken → copy the auth file again
✗ token expired: mac-mini (3 days ago) → log in with codex and copy again
✗ token expired: old-laptop (1 day ago) → poller --refresh, or log in with codex and copy again
! others on this machine can read account/copy.auth.json, account/phone.auth.json → chmod 600
4 can be polled · 3 cannot · next token expires in 3 hours: 学习
"""

IN_CHINESE = """\
登录文件（未发送请求） · 7 个账号                11-22 周日 15:04，时区 UTC
  账号        文件   套餐  token 到期  --refresh           重复
✓ work        codex  plus  5 天后      可以
✓ copy        codex  plus  5 天后      可以                与 work 同一登录
✓ 学习        codex  free  3 小时后    Codex 自己的文件
✓ phone       codex  plus  5 天后      文件有硬链接        与 work 同一账号
✗ old-laptop  codex  plus  1 天前      可以
✗ mac-mini    codex  plus  3 天前      没有 refresh token
✗ broken      –      –     –           –
✗ 不是完整的登录文件（空文件）：broken → 重新完整复制一份
✗ token 已过期：old-laptop（1 天前） → poller --refresh，或用 codex 登录再复制
✗ token 已过期：mac-mini（3 天前） → 用 codex 登录再复制
! 本机其他用户可以读取：account/copy.auth.json、account/phone.auth.json → chmod
  600
4 个可以查询 · 3 个不能 · 下一个 token 在 3 小时后到期：学习
"""


@pytest.mark.parametrize(
    ("width", "language", "expected"),
    [(80, "en", ON_EIGHTY_CELLS), (120, "en", ON_A_HUNDRED_AND_TWENTY), (80, "zh", IN_CHINESE)],
)
def test_a_folder_of_every_kind_looks_like_this(width: int, language: str, expected: str) -> None:
    assert drawn(*FOLDER, width=width, language=language) == expected


def test_rows_stand_in_input_order() -> None:
    told = drawn(BROKEN, LAPTOP, WORK).splitlines()
    assert [line.split()[1] for line in told[2:5]] == ["work", "old-laptop", "broken"]


def test_columns_that_say_nothing_are_left_out() -> None:
    assert drawn(BROKEN).splitlines()[1].split() == ["account"]
    mail = replace(WORK, identity=Identity(email="alice@example.com"))
    assert "alice@example.com" in drawn(mail)


def test_nothing_but_ascii_is_drawn_where_nothing_else_can_be() -> None:
    plain = drawn(WORK, COPY, LAPTOP, unicode=False, language="zh")
    assert plain.isascii()
    assert "failed old-laptop" in plain


def test_each_exposed_file_is_named_once() -> None:
    several = replace(COPY, position=9, account="copy:second")
    told = drawn(COPY, several, replace(PHONE, source="x" * 30), width=60)
    assert told.count("account/copy.auth.json") == 1
    assert "x" * 30 in told
    assert "chmod 600" in told
    assert "chmod" not in drawn(WORK)


def test_an_unknown_refresh_state_is_shown_as_it_is() -> None:
    assert "something_new" in drawn(replace(WORK, refresh="something_new"))


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (80, "4 can be polled · 3 cannot · next token expires in 3 hours: 学习"),
        (60, "4 can be polled · 3 cannot · next token expires in 3 hours"),
        (30, "4 can be polled · 3 cannot"),
        (20, "4 can be polled · 3…"),
    ],
)
def test_the_last_line_sums_up_as_far_as_there_is_room(width: int, expected: str) -> None:
    assert drawn(*FOLDER, width=width).splitlines()[-1] == expected


def test_no_account_is_no_reason_to_fail() -> None:
    assert drawn().splitlines()[1:] == ["0 can be polled"]


def test_colour_says_what_to_look_at() -> None:
    told = drawn(*FOLDER, color=True)
    assert "\x1b[33msame login as work" in told
    assert "\x1b[33min 3 hours" in told
    assert "\x1b[31m1 day ago" in told
    assert [Text.from_ansi(line).plain.rstrip() for line in told.splitlines()] == (
        ON_EIGHTY_CELLS.splitlines()
    )


names = st.text(st.sampled_from("ab-:@学习é"), min_size=1, max_size=60)
entries = st.builds(
    replace,
    st.sampled_from(FOLDER),
    account=names,
    source=names,
    plan=st.none() | names,
    same_login_as=st.none() | names,
    identity=st.builds(Identity, email=st.none() | names),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(entries, max_size=5),
    st.integers(20, 200),
    st.booleans(),
    st.sampled_from(("en", "zh")),
)
def test_no_line_is_ever_wider_than_the_terminal(
    folder: list[FileEntry], width: int, unicode: bool, language: str
) -> None:
    told = drawn(*folder, width=width, unicode=unicode, language=language)
    assert max(map(cells, told.splitlines())) <= width


@pytest.mark.parametrize(
    ("language", "head", "tail"), [("en", "same login as ", ""), ("zh", "与 ", "同一登录")]
)
@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_long_name_of_the_same_login_gives_way_before_the_words(
    width: int, language: str, head: str, tail: str
) -> None:
    copy = replace(COPY, same_login_as="a-long-name-that-tools-make-2026")
    (line,) = [
        each for each in drawn(copy, width=width, language=language).splitlines() if head in each
    ]
    told = line[line.index(head) :]
    assert told.endswith(tail or "6")
    assert told.count("…") == 1
