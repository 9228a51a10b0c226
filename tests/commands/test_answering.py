"""`next`, `guard`, `timeline`, `diff`: what they answer, and whom they ask for it."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from poller.present.record_reading import LONGEST_LINE
from poller.simulator.server import serve
from poller.values import Failure, FailureKind, Report, Usage, Window
from tests.auth_files import codex
from tests.history.made_up import record, rows
from tests.running import Ended, account, ran_here, run, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from poller.simulator.accounts import MadeUpAccount
    from poller.simulator.server import Simulator

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600, 86_400
LATEST = "SELECT account, window, used_percent FROM latest ORDER BY 1, 2"


class Here:
    """A folder with accounts and a history, and an upstream to ask."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder, self.simulator = folder, simulator
        self.history = folder / "h.db"

    def accounts(self, *accounts: MadeUpAccount) -> None:
        """Write auth files as of long ago: what failed since is no news to them."""
        for path in write(self.folder / "account", *accounts).iterdir():
            os.utime(path, (1e9, 1e9))

    async def run(self, *words: str, **how: Any) -> Ended:
        command, *rest = words
        told = command, "--history", "h.db", "--chatgpt-url", self.simulator.url, *rest
        return await run(*told, cwd=self.folder, **how)

    @property
    def requests(self) -> int:
        return self.simulator.counts.requests


def seen(
    name: str,
    *,
    five: float | None = None,
    week: float | None = None,
    ago: float = 60,
    resets: Mapping[str, float] | None = None,
    **usage: Any,
) -> Report:
    """Return what was answered so long ago: what is left, and hours until the resets from now."""
    at, resets = time.time() - ago, resets or {}
    given = (("five_hour", five, 18_000, 3), ("weekly", week, 604_800, 90))
    ends = {name: int(time.time() + resets.get(name, hours) * HOUR) for name, _, _, hours in given}
    windows = tuple(
        Window(window, left, length, ends[window], started=True)
        for window, left, length, _ in given
        if left is not None
    )
    told = {"plan": "plus", "usable": True, "on_credits": False, **usage}
    return Report(0, name, f"/auth/{name}", at, Usage(windows=windows, **told))


def refused(name: str, kind: FailureKind, *, ago: float = 60) -> Report:
    return Report(0, name, "", time.time() - ago, failure=Failure(kind, "no", "none"))


@pytest.fixture
async def here(tmp_path: Path) -> Any:
    async with serve() as simulator:
        yield Here(tmp_path, simulator)


# Whom they ask


async def test_what_was_seen_lately_is_not_asked_again(here: Here) -> None:
    here.accounts(account("alice"), account("bob"))
    record(here.history, [seen("alice", five=58, week=95), seen("bob", five=90, week=4)])
    done = await here.run("next", "--timezone", "UTC")
    assert (done.code, done.out.decode(), here.requests) == (0, "alice\n", 0)
    assert done.err.startswith(
        "alice: 58 % of five hours and 95 % of the week left; its week resets first ("
    )


async def test_only_those_are_asked_of_whom_too_little_is_known(here: Here) -> None:
    here.accounts(
        account("fresh"),
        account("old", "+two_windows:30:20"),
        account("unseen", "+two_windows:60:50"),
    )
    record(here.history, [seen("fresh", five=20, week=30), seen("old", five=75, week=85, ago=400)])
    done = await here.run("next", "--strategy", "headroom")
    assert (done.code, done.out.decode(), here.requests) == (0, "old\n", 2)
    # What was asked is in the history now, and is not asked again.
    assert ("unseen", "five_hour", 60.0) in rows(here.history, LATEST)
    assert (await here.run("next", "--strategy", "headroom")).out == b"old\n"
    assert here.requests == 2


async def test_what_was_reset_since_is_asked_again(here: Here) -> None:
    here.accounts(account("alice", "+two_windows:0:5"))
    spent = seen("alice", five=0, week=95, usable=False, limited_by="five_hour", ago=120)
    assert spent.usage is not None
    past = int(time.time()) - 30
    windows = (Window("five_hour", 0.0, 18_000, past, started=True),)
    usage = Usage("plus", usable=False, limited_by="five_hour", usable_at=past, windows=windows)
    record(here.history, [Report(0, "alice", "", spent.observed_at, usage)])
    done = await here.run("next")
    assert (done.code, done.out, here.requests) == (0, b"alice\n", 1)


async def test_a_fresh_failure_is_an_answer_until_the_file_changes(here: Here) -> None:
    here.accounts(account("alice"))
    record(here.history, [refused("alice", FailureKind.UNAUTHORIZED)])
    done = await here.run("guard")
    assert (done.code, here.requests) == (3, 0)
    assert done.out == b""
    assert done.err == (
        "poller: 0 of 1 account can be used, 1 unknown (token refused: poller --refresh, or log in"
        " with codex and copy again); 1 is needed\n"
    )
    os.utime(here.folder / "account/alice.auth.json")
    assert ((await here.run("guard")).code, here.requests) == (0, 1)


async def test_the_files_say_now_which_accounts_there_are(here: Here) -> None:
    here.accounts(account("alice", "+two_windows:42:5"))
    (here.folder / "account/broken.auth.json").write_text("{}")
    record(
        here.history,
        [seen("gone", five=100, week=100), seen("broken", five=100, week=100)],
        [seen("alice", five=58, week=95)],
    )
    done = await here.run("next", "--strategy", "headroom")
    assert (done.code, done.out, here.requests) == (0, b"alice\n", 0)


async def test_nothing_is_recorded_unless_there_is_a_history(here: Here) -> None:
    here.accounts(account("alice"))
    state = {"XDG_STATE_HOME": str(here.folder / "state")}
    url = "--chatgpt-url", here.simulator.url
    assert (await run("next", *url, cwd=here.folder, env=state)).out == b"alice\n"
    assert not (here.folder / "state").exists()
    assert (await run("next", "--record", *url, cwd=here.folder, env=state)).code == 0
    own = here.folder / "state/poller/history.db"
    assert own.exists()
    # From now on it is there.
    assert (await run("guard", "--max-age", "0.001", *url, cwd=here.folder, env=state)).code == 0
    assert rows(own, "SELECT max(polls) FROM state") == [(2,)]


async def test_two_files_of_one_login_are_one_account(here: Here) -> None:
    one, other = (account(name, "+two_windows:42:5", user_id="user-same") for name in "ab")
    other = type(other)("b", one.user_id, one.account_id, one.email, one.plan, one.auth_file)
    here.accounts(one, other)
    done = await here.run("guard", "--need", "2")
    assert done.code == 4
    assert done.err == "poller: 1 of 1 account can be used; 2 are needed\n"


async def test_an_account_in_a_file_of_several_is_asked_alone(here: Here) -> None:
    first, second = account("one"), account("two", "+two_windows:10:10")
    tokens = {each.name: json.loads(each.auth_file)["tokens"] for each in (first, second)}
    here.accounts(first)
    (here.folder / "account/one.auth.json").unlink()
    entries = {
        name: {
            "type": "oauth",
            "provider": "openai-codex",
            "access": token["access_token"],
            "refresh": token["refresh_token"],
            "accountId": token["account_id"],
        }
        for name, token in tokens.items()
    }
    (here.folder / "account/both.auth.json").write_text(
        json.dumps({"version": 1, "profiles": entries})
    )
    known = seen("both:one", five=1, week=1)
    record(here.history, [known])
    done = await here.run("next")
    assert (done.code, done.out, here.requests) == (0, b"both:two\n", 1)


async def test_a_broken_history_costs_a_warning_and_no_answer(here: Here) -> None:
    here.accounts(account("alice"))
    here.history.write_text("something else, and more than a hundred bytes of it\n" * 9)
    done = await here.run("next")
    assert (done.code, done.out) == (0, b"alice\n")
    assert "history h.db: it is not a database" in done.err


async def test_accounts_may_come_from_a_list(here: Here) -> None:
    write(here.folder / "elsewhere", account("alice"))
    given = b"elsewhere/alice.auth.json\n"
    done = await here.run("next", "--files-from", "-", given=given)
    assert (done.code, done.out) == (0, b"alice\n")


async def test_without_an_account_nothing_is_answered(here: Here) -> None:
    done = await here.run("next", "nobody")
    assert (done.code, done.out) == (64, b"")


async def test_what_is_known_costs_nothing_that_sends_requests(here: Here) -> None:
    here.accounts(account("alice"))
    record(here.history, [seen("alice", five=58, week=95)])
    code = (
        "import sys\n"
        "from poller.cli import main\n"
        "code = main(['next', '--history', 'h.db', '--for', '1h', '--quiet'])\n"
        "print(code, *{'asyncio', 'anyio', 'aiohttp', 'tenacity'} & {*sys.modules})\n"
    )
    done = await run("-c", code, cwd=here.folder, command=(sys.executable,))
    assert done.out == b"alice\n0\n"


# What they answer


async def test_next_says_why_there_is_none(here: Here) -> None:
    here.accounts(account("empty"), account("spent"), account("lost"))
    back = int(time.time()) + 90 * HOUR
    record(
        here.history,
        [
            seen("empty", five=9, week=95),
            seen("spent", week=0, usable=False, limited_by="weekly", usable_at=back),
            refused("lost", FailureKind.TIMEOUT),
        ],
    )
    done = await here.run("next", "--timezone", "UTC")
    assert (done.code, done.out, here.requests) == (4, b"", 0)
    assert done.err.startswith("poller: no account to use now: 1 with less than 10 % left, ")
    assert "1 blocked" in done.err
    assert "1 failed" in done.err
    assert ", spent is back first (" in done.err
    told = json.loads((await here.run("next", "--format", "jsonl")).out)
    assert (told["account"], told["back_account"]) == (None, "spent")
    assert told["obstacles"] == {"too_little": 1, "blocked": 1, "failed": 1}


async def test_codex_own_login_that_expired_is_left_to_codex(here: Here) -> None:
    own = here.folder / ".codex/auth.json"
    own.parent.mkdir()
    own.write_text(json.dumps(codex("me", exp=int(time.time()) - 9_000)))
    done = await here.run("next", env={"HOME": str(here.folder)})
    assert (done.code, here.requests) == (4, 0)
    assert "1 failed (token expired: use codex once with this login, or log in again)" in done.err


async def test_next_speaks_json_and_chinese(here: Here) -> None:
    here.accounts(account("alice"))
    record(here.history, [seen("alice", five=58, week=95)])
    done = await here.run("next", "--format", "jsonl", env={"LC_ALL": "zh_CN.UTF-8"})
    told = json.loads(done.out)
    assert (told["account"], told["on"], told["candidates"]) == ("alice", "plan", 1)
    assert told["reason"].startswith("alice：剩 5 小时额度 58 %、周额度 95 %；")  # noqa: RUF001
    assert done.err == told["reason"] + "\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 0),
        (("--need", "2"), 0),
        (("--need", "3"), 3),
        (("--need", "3", "--unknown", "ok"), 0),
        (("--need", "3", "--unknown", "fail"), 4),
        (("--need", "4"), 4),
        (("--min-remaining", "50", "--need", "2"), 3),
        (("--min-remaining", "50", "--window", "five_hour", "--need", "2"), 0),
        (("--min-remaining", "50", "--window", "5h", "--need", "2"), 0),
        (("--min-remaining", "99"), 3),
        (("--min-remaining", "50", "--need", "3"), 4),
    ],
)
async def test_guard_counts(here: Here, words: tuple[str, ...], code: int) -> None:
    here.accounts(*(account(name) for name in ("full", "low", "mute", "spent")))
    record(
        here.history,
        [
            seen("full", five=90, week=80),
            seen("low", five=60, week=20),
            seen("mute", usable=None),
            seen("spent", five=0, usable=False, limited_by="five_hour"),
        ],
    )
    done = await here.run("guard", *words)
    assert (done.code, done.out, here.requests) == (code, b"", 0)
    assert done.err.startswith("poller: ")
    assert done.err.count("\n") == 1
    quiet = await here.run("guard", "--quiet", *words)
    assert (quiet.code, quiet.err == "") == (code, code == 0)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(FailureKind.UNAUTHORIZED, 3), (FailureKind.TIMEOUT, 2), (FailureKind.LOGIN_REQUIRED, 1)],
)
async def test_guard_says_by_what_failed_why_it_cannot_be_told(
    here: Here, kind: FailureKind, code: int
) -> None:
    here.accounts(account("alice"))
    record(here.history, [refused("alice", kind)])
    assert (await here.run("guard")).code == code


async def test_an_account_that_will_run_out_is_not_named(here: Here) -> None:
    here.accounts(account("alice"))
    now, start = time.time(), time.time() - 4 * HOUR + 60
    looks = range(0, 4 * HOUR - 299, 300)
    record(
        here.history,
        *(
            [
                Report(
                    0,
                    "alice",
                    "",
                    start + after,
                    Usage(
                        "plus",
                        usable=True,
                        windows=(Window("five_hour", 100 - after / 152, 18_000, int(now) + 3540),),
                        on_credits=False,
                    ),
                )
            ]
            for after in looks
        ),
    )
    assert (await here.run("next", "--min-remaining", "1")).out == b"alice\n"
    done = await here.run("next", "--min-remaining", "1", "--for", "2h")
    assert (done.code, here.requests) == (4, 0)
    assert done.err == "poller: no account to use now: 1 forecast to run out within 2 h\n"
    assert (await here.run("guard", "--for", "2h")).code == 4
    assert (await here.run("guard", "--for", "60s")).code == 0


async def test_timeline_tells_the_resets_ahead(here: Here) -> None:
    here.accounts(account("alice"), account("bob"), account("carol"))
    resets = {"five_hour": 2.0, "weekly": 20.0}
    spent = seen("alice", five=0, week=60, resets=resets)
    assert spent.usage is not None
    at = spent.usage.windows[0].reset_at
    spent = seen(
        "alice", five=0, week=60, resets=resets, usable=False, limited_by="five_hour", usable_at=at
    )
    record(here.history, [spent, seen("bob", five=70, week=10), seen("carol", five=99, week=99)])
    done = await here.run("timeline")
    told = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, done.err, here.requests) == (0, "", 0)
    assert [(one["account"], one["window"], one["frees"]) for one in told] == [
        ("alice", "five_hour", True),
        ("bob", "five_hour", False),
        ("carol", "five_hour", False),
        ("alice", "weekly", False),
    ]
    assert told[0]["returns_percent"] == 100
    done = await here.run("timeline", "--format", "table", "--timezone", "UTC")
    lines = done.out.decode().splitlines()
    assert lines[0].startswith("Resets of the next 24 hours")
    assert "left in total: 5h 1.7 of 3 - week 1.7 of 3" in lines
    assert all(len(line) <= 80 for line in lines)


async def test_diff_compares_two_files(tmp_path: Path) -> None:
    write(tmp_path / "account", account("alice", "+two_windows:42:5"), account("bob"))
    async with serve() as simulator:
        done = await run("--chatgpt-url", simulator.url, cwd=tmp_path)
    (tmp_path / "a").write_bytes(done.out)
    records = [json.loads(line) for line in done.out.splitlines()]
    for one in records:
        if one["account"] == "alice":
            one["windows"]["five_hour"]["remaining_percent"] = 4.0
    (tmp_path / "b").write_text("".join(json.dumps(one) + "\n" for one in records) + "x\n")
    same = await run("diff", "a", "a", cwd=tmp_path)
    assert (same.code, same.out, same.err) == (0, b"", "")
    done = await run("diff", "a", "b", cwd=tmp_path)
    told = [json.loads(line) for line in done.out.splitlines()]
    key = told[0].pop("key")
    assert len(key) == 16
    assert told == [
        {"account": "alice", "change": "low", "window": "five_hour", "before": 58.0, "after": 4.0}
    ]
    assert (done.code, done.err) == (
        1,
        "poller: b: passed over lines that are not records: 1\n",
    )
    assert (await run("diff", "a", "b", "--below", "3", cwd=tmp_path)).code == 0
    piped = await run("diff", "a", "-", cwd=tmp_path, given=(tmp_path / "b").read_bytes())
    assert (piped.code, piped.out) == (1, done.out)
    told_so = await run("diff", "a", "b", "--format", "table", cwd=tmp_path)
    assert told_so.out == b"alice: five hours down to 4 %\n"
    for words, said in (
        (("a",), "diff compares two files of records"),
        (("a", "nope"), "nope: no such file"),
        (("-", "-"), "only one of the two files"),
        (("account/bob.auth.json", "a"), "no record in it"),
    ):
        wrong = await run("diff", *words, cwd=tmp_path)
        assert (wrong.code, wrong.out) == (64, b"")
        assert said in wrong.err


def test_diff_takes_a_line_without_an_end_piece_by_piece(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    good = json.dumps({"ok": True, "account": "a", "observed_at": 1.8e9}).encode()
    (tmp_path / "a").write_bytes(bytes(LONGEST_LINE + 1) + b"\n" + good)
    (tmp_path / "b").write_bytes(good)
    done = ran_here(capfdbinary, "diff", str(tmp_path / "b"), str(tmp_path / "a"))
    assert (done.code, done.out) == (0, b"")
    assert done.err.endswith("/a: passed over lines that are not records: 2\n")


async def test_diff_asks_the_history_what_was_then(tmp_path: Path) -> None:
    record(
        tmp_path / "h.db",
        [
            seen("alice", five=80, week=90, ago=2 * HOUR, resets={"five_hour": -1.95}),
            seen("gone", week=5, ago=2 * DAY),
        ],
        [seen("alice", five=99, week=80, ago=HOUR), seen("new", week=50, ago=HOUR)],
        [seen("alice", five=6, week=79, ago=360)],
        [seen("alice", five=5, week=79), seen("new", week=0, usable=False, limited_by="weekly")],
    )
    done = await run("diff", "--history", "h.db", "--since", "100m", cwd=tmp_path)
    told = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 1
    assert [(one["account"], one["change"], one["window"], one["after"]) for one in told] == [
        ("alice", "reset", "five_hour", 5.0),
        ("alice", "low", "five_hour", 5.0),
        ("new", "exhausted", "weekly", 0.0),
    ]
    missing = await run("diff", "--history", "none.db", cwd=tmp_path)
    assert (missing.code, missing.out) == (64, b"")


@pytest.mark.parametrize("command", ["next", "guard", "timeline", "diff"])
async def test_the_demo_answers_and_touches_nothing(tmp_path: Path, command: str) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = await run(command, "--demo", "3", cwd=tmp_path, env=state)
    assert done.code in (0, 1, 4)
    assert "bug" not in done.err
    assert os.listdir(tmp_path) == []
