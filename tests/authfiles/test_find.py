from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from poller.authfiles.find import find
from poller.authfiles.read import Reading, accounts_of, read_into
from poller.settings import Settings, UsageError
from poller.values import Failure
from tests.auth_files import codex, content, several, token

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from poller.authfiles.read import Account


class Place:
    """A current folder, with auth files in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environ = {"HOME": str(path / "home")}

    def put(self, *names: str, document: Any = None) -> None:
        for name in names:
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content(codex() if document is None else document))

    async def accounts(
        self,
        *given: str,
        dirs: Iterable[str] | None = None,
        paths: Iterable[str | os.PathLike[str]] | None = None,
    ) -> list[Account]:
        settings = Settings(accounts=given, account_dirs=None if dirs is None else tuple(dirs))
        cwd = str(self.path)
        files = find(settings, environ=self.environ, cwd=cwd, accounts=paths)
        readings: list[Reading] = []
        read_into(readings, files, clock=time.time)
        found = [
            account
            for position, (file, reading) in enumerate(zip(files, readings, strict=True))
            for account in accounts_of(file, position, reading)
        ]
        assert all(account.path == files[account.position].path for account in found)
        assert len({account.label for account in found}) == len(found)
        return found

    async def labels(self, *given: str, dirs: Iterable[str] | None = None) -> list[str]:
        return [account.label for account in await self.accounts(*given, dirs=dirs)]

    async def mistake(self, *given: str, dirs: Iterable[str] | None = None) -> str:
        with pytest.raises(UsageError) as caught:
            await self.accounts(*given, dirs=dirs)
        message = str(caught.value)
        assert message.isprintable()
        return message


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path)


pytestmark = pytest.mark.anyio


async def test_account_folder_is_the_default(here: Place) -> None:
    here.put("account/bob.auth.json", "account/alice.auth.json", "account/auth.json")
    found = await here.accounts()
    assert [account.label for account in found] == ["alice", "account", "bob"]
    assert found[0].source == "account/alice.auth.json"
    assert found[0].path == str(here.path / "account/alice.auth.json")


async def test_other_json_counts_only_where_it_is_an_auth_file(here: Place) -> None:
    here.put("account/a.auth.json", "account/flat.json")
    here.put("account/package.json", document={"name": "x"})
    here.put("account/google.json", document={"access_token": "x", "token_type": "Bearer"})
    here.put("account/registry.json", document={"accounts": []})
    (here.path / "account/broken.json").write_text("{")
    (here.path / "account/sub.json").mkdir()
    (here.path / "account/gone.json").symlink_to("nowhere")
    assert await here.labels() == ["a", "flat"]


async def test_auth_json_ending_counts_whatever_is_in_it(here: Place) -> None:
    here.put("account/a.auth.json", document={"name": "x"})
    (here.path / "account/b.auth.json").mkdir()
    (here.path / "account/c.auth.json").symlink_to("nowhere")
    kinds = [account.outcome for account in await here.accounts()]
    assert [kind.kind for kind in kinds if isinstance(kind, Failure)] == [
        "no_credentials",
        "file_invalid",
        "file_missing",
    ]


async def test_plain_json_that_cannot_be_read_gets_a_record(here: Place) -> None:
    here.put("account/a.auth.json")
    (here.path / "account/loop.json").symlink_to("loop.json")
    assert await here.labels() == ["a", "loop"]


async def test_hidden_files_folders_and_other_names_are_passed_over(here: Place) -> None:
    here.put(
        "account/a.auth.json",
        "account/.b.auth.json",
        "account/c.auth.json.tmp",
        "account/d.txt",
        "account/deeper/e.auth.json",
    )
    assert await here.labels() == ["a"]


async def test_disabled_accounts_are_passed_over_unless_named(here: Place) -> None:
    here.put("account/on.auth.json")
    here.put("account/off.auth.json", document=codex(disabled=True))
    assert await here.labels() == ["on"]
    assert await here.labels("o*") == ["on"]
    assert await here.labels("off") == ["off"]
    assert await here.labels("o*", "off") == ["off", "on"]
    assert await here.labels("account/off.auth.json") == ["off"]


async def test_several_accounts_in_a_file_expand_in_place(here: Place) -> None:
    here.put("account/a.auth.json", "account/z.auth.json")
    here.put("account/store.json", document=several("home", "work", "home"))
    found = await here.accounts()
    assert [account.label for account in found] == [
        "a",
        "store:home",
        "store:work",
        "store:home#2",
        "z",
    ]
    assert found[1].login == "home"


async def test_one_account_in_a_file_for_several_has_the_files_label(here: Place) -> None:
    here.put("account/store.json", document=several("home"))
    assert await here.labels() == ["store"]
    assert await here.labels("store:home") == ["store"]
    assert "no account matches" in await here.mistake("store:*")


async def test_disabled_account_still_makes_the_file_one_of_several(here: Place) -> None:
    document = several("home", "work")
    document["accounts"][0]["disabled"] = True
    here.put("account/store.json", document=document)
    assert await here.labels() == ["store:work"]
    assert await here.labels("store") == ["store:home", "store:work"]
    assert await here.labels("store:home") == ["store:home"]


async def test_account_in_a_file_is_named_whole(here: Place) -> None:
    profiles = {f"openai-codex:{name}": {"access": token(name)} for name in ("me", "you")}
    here.put("account/profiles.json", document={"profiles": profiles})
    assert await here.labels("profiles:openai-codex:you") == ["profiles:openai-codex:you"]
    assert await here.labels("*:me") == ["profiles:openai-codex:me"]
    assert await here.labels("profiles:*") == [
        "profiles:openai-codex:me",
        "profiles:openai-codex:you",
    ]
    assert await here.labels("profiles:*:you", "profiles:*:me") == await here.labels("profiles")
    assert "no account 'profiles:me'" in await here.mistake("profiles:me")


async def test_names_come_in_the_order_given_and_once(here: Place) -> None:
    here.put("account/a.auth.json", "account/b.auth.json", "account/c.auth.json")
    given = ("c", "?", "a", "./account/b.auth.json", "account/../account/b.auth.json")
    assert await here.labels(*given) == ["c", "a", "b"]


async def test_file_name_will_do_for_a_name(here: Place) -> None:
    here.put("account/a.auth.json")
    assert await here.labels("a.auth.json") == ["a"]


async def test_label_that_looks_like_a_pattern_means_itself(here: Place) -> None:
    here.put("account/we[ir]d.auth.json", "account/weid.auth.json", "account/a*.auth.json")
    assert await here.labels("we[ir]d") == ["we[ir]d"]
    assert await here.labels("we[ir]?") == ["weid"]


async def test_existing_json_file_is_a_path(here: Place) -> None:
    here.put("mine.json")
    (found,) = await here.accounts("mine.json")
    assert (found.label, found.source) == ("mine", "mine.json")


async def test_paths_need_no_folder_and_list_none(here: Place) -> None:
    here.put("x/alice.auth.json", "account/alice.auth.json")
    assert await here.labels("x/alice.auth.json") == ["alice"]
    assert await here.labels(str(here.path / "x/alice.auth.json")) == ["alice"]


async def test_paths_of_one_name_are_told_apart(here: Place) -> None:
    here.put("work/alice.auth.json", "home/alice.auth.json", "home/bob.auth.json")
    given = ("work/alice.auth.json", "home/alice.auth.json", "home/bob.auth.json")
    assert await here.labels(*given) == ["work/alice", "home/alice", "bob"]


async def test_path_and_name_of_one_name_are_told_apart(here: Place) -> None:
    here.put("account/alice.auth.json", "work/alice.auth.json")
    assert await here.labels("alice", "work/alice.auth.json") == ["account/alice", "work/alice"]


async def test_label_with_a_folder_in_it_is_a_name_too(here: Place) -> None:
    here.put("work/alice.auth.json", "home/alice.auth.json")
    dirs = ("work", "home")
    assert await here.labels(dirs=dirs) == ["work/alice", "home/alice"]
    assert await here.labels("home/alice", dirs=dirs) == ["home/alice"]
    assert await here.labels("home/*", dirs=dirs) == ["home/alice"]


@pytest.mark.parametrize("missing", ["x/none.auth.json", "account/none.json", "./none"])
async def test_missing_path_is_a_record_not_a_mistake(here: Place, missing: str) -> None:
    (found,) = await here.accounts(missing)
    assert isinstance(found.outcome, Failure)
    assert found.outcome.kind == "file_missing"


async def test_path_object_is_a_path_whatever_it_looks_like(here: Place) -> None:
    here.put("plain", "x/auth.json")
    found = await here.accounts(paths=[Path("plain"), "x/auth.json"])
    assert [account.label for account in found] == ["plain", "x"]


async def test_path_given_that_is_not_an_auth_file_gets_its_record(here: Place) -> None:
    here.put("account/package.json", document={"name": "x"})
    for given in ("package", "account/package.json"):
        (found,) = await here.accounts(given)
        assert isinstance(found.outcome, Failure)
        assert found.outcome.kind == "no_credentials"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("alcie", "no account 'alcie' in account/; did you mean 'alice'?"),
        ("account", "no account 'account' in account/; for the folder, type --account-dir account"),
        (".", "no account '.' in account/; for the folder, type --account-dir ."),
        ("zzzzzz", "no account 'zzzzzz' in account/; there is alice, bob, carol"),
        ("", "no account '' in account/; there is alice, bob, carol"),
        ("alise*", "no account matches 'alise*' in account/; did you mean 'alice'?"),
        ("pack*", "no account matches 'pack*' in account/; there is alice, bob, carol"),
        ("x\x1b", "no account 'x\\x1b' in account/; there is alice, bob, carol"),
    ],
)
async def test_name_that_matches_nothing_is_a_mistake(
    here: Place, given: str, message: str
) -> None:
    here.put("account/alice.auth.json", "account/bob.auth.json", "account/carol.auth.json")
    here.put("account/package.json", document={})
    assert await here.mistake("alice", given) == message


async def test_mistake_in_a_large_folder_names_some(here: Place) -> None:
    here.put(*(f"account/{name}.auth.json" for name in "abcd"))
    assert (await here.mistake("zzz")).endswith("; there is a, b, c, …")


async def test_several_folders_are_polled_in_the_order_given_and_once(here: Place) -> None:
    here.put("b/x.auth.json", "a/y.auth.json")
    (here.path / "empty").mkdir()
    dirs = ("b", "empty", "a", "./b/", str(here.path / "a"))
    assert await here.labels(dirs=dirs) == ["x", "y"]


async def test_folder_that_cannot_be_listed_is_a_mistake(here: Place) -> None:
    here.put("file.json")
    (here.path / "loop").symlink_to("loop")
    assert "nowhere: no such folder" in await here.mistake(dirs=["nowhere"])
    assert "poller file.json" in await here.mistake(dirs=["file.json"])
    assert "cannot be listed" in await here.mistake(dirs=["loop"])
    assert "cannot be listed" in await here.mistake(dirs=["nul\0"])


async def test_folder_with_nothing_in_it_is_a_mistake(here: Place) -> None:
    (here.path / "account").mkdir()
    assert (await here.mistake()).startswith("no auth files in account/; ")
    assert "there is no auth file in there" in await here.mistake("alice")
    here.put("account/package.json", document={})
    message = await here.mistake()
    assert message.startswith("no auth files in account/; ")
    assert "--demo" in message


async def test_folder_of_plain_names_is_accepted(here: Place) -> None:
    here.put("account/package.json", document={})
    here.put("account/zoe.json")
    assert await here.labels() == ["zoe"]


async def test_codex_own_file_is_the_default_without_a_folder(here: Place) -> None:
    here.put("home/.codex/auth.json")
    (found,) = await here.accounts()
    assert (found.label, found.source) == ("codex", str(here.path / "home/.codex/auth.json"))
    assert await here.labels("codex") == ["codex"]
    own = here.path / "home/.codex"
    assert await here.mistake("alice") == (
        f"no account 'alice' in {own}/ (there is no account/ here); there is codex"
    )


async def test_codex_home_moves_codex_own_file(here: Place) -> None:
    here.put("home/.codex/auth.json", "elsewhere/auth.json")
    here.environ["CODEX_HOME"] = str(here.path / "elsewhere")
    assert await here.labels() == ["elsewhere"]


async def test_nothing_at_all_says_where_it_looked(here: Place) -> None:
    for given in ((), ("alice",)):
        message = await here.mistake(*given)
        assert "no folder account/ here" in message
        assert str(here.path / "home/.codex/auth.json") in message
        assert "poller --demo" in message


async def test_missing_path_needs_no_folder(here: Place) -> None:
    assert await here.labels("x/none.auth.json") == ["none"]


async def test_tilde_in_a_configured_folder_is_home(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here.path / "home"))
    here.put("home/mine/a.auth.json")
    assert await here.labels(dirs=["~/mine"]) == ["a"]
