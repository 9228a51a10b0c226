"""`poller poll --alerts` and `poller alerts`, through the real program and real hooks."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from poller.simulator.server import serve
from tests.deliver.test_notify import receiver
from tests.history.test_store import lock_held_elsewhere
from tests.running import UNMEASURED, Ended, account, ended, numbered, run, started, write

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

    from tests.conftest import Certificates

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="hooks here are of /bin/sh"),
]

HOOK = (
    'run = ["/bin/sh", "-c", "cat >> came; echo >> came; echo \\"$1\\" >> texts", "sh", "{text}"]'
)
RULE = f'[[alert]]\nname = "low"\n{HOOK}\n'


def limits(used: float, *, spent: bool = False) -> dict[str, Any]:
    """Return what is told of a week of which so much is used."""
    week = {
        "used_percent": used,
        "limit_window_seconds": 604_800,
        "reset_at": int(time.time()) + 90_000,
    }
    return {"rate_limit": {"allowed": not spent, "limit_reached": spent, "primary_window": week}}


async def polled(folder: Path, url: str, *more: str, **how: Any) -> Ended:
    """Poll with alerts, as cron would."""
    words = ("--config", "alerts.toml", "--history", "h.db", "--alerts", "--chatgpt-url", url)
    return await run(*words, *more, cwd=folder, **how)


def came(folder: Path) -> list[dict[str, Any]]:
    place = folder / "came"
    return [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []


async def until_asked(running: Process, name: str) -> None:
    """Read records until one is the account's."""
    assert running.stdout is not None
    while json.loads(await running.stdout.readline())["account"] != name:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "account", account("alice"))
    (tmp_path / "alerts.toml").write_text(RULE)
    return tmp_path


async def test_an_exhaustion_is_told_once_to_a_hook(folder: Path) -> None:
    figures: dict[str, Any] = {"user-alice": limits(50)}
    async with serve(figures=figures) as simulator:
        assert (await polled(folder, simulator.url)).err == ""
        figures["user-alice"] = limits(100, spent=True)
        for _ in range(2):
            done = await polled(folder, simulator.url)
            assert (done.code, done.err, len(done.records)) == (0, "", 1)
    (message,) = came(folder)
    assert message.pop("at").endswith("Z")
    (change,) = message.pop("changes")
    assert message == {
        "schema_version": 1,
        "rule": "low",
        "event": "exhausted",
        "text": (folder / "texts").read_text().strip(),
    }
    assert message["text"].startswith("used up: alice (week, back ")
    assert len(change.pop("key")) == 16
    assert change == {
        "account": "alice",
        "change": "exhausted",
        "over": False,
        "window": "weekly",
        "before": 50,
        "after": 0,
    }


async def test_two_pollers_at_once_tell_it_once(folder: Path) -> None:
    figures: dict[str, Any] = {"user-alice": limits(50)}
    words = ("--config", "alerts.toml", "--history", "h.db", "--alerts", "--chatgpt-url")
    async with serve(figures=figures) as simulator:
        await polled(folder, simulator.url)
        figures["user-alice"] = limits(100, spent=True)
        async with (
            started(*words, simulator.url, cwd=folder) as one,
            started(*words, simulator.url, cwd=folder) as other,
        ):
            for each in (one, other):
                assert (await ended(each)).code == 0
    assert len(came(folder)) == 1


async def test_what_fails_is_tried_again_said_and_kept_for_the_next_round(folder: Path) -> None:
    script = "echo x >> tries; [ -e works ] && cat >> came"
    (folder / "alerts.toml").write_text(
        f'[[alert]]\nname = "low"\nrun = ["/bin/sh", "-c", "{script}"]\n'
    )
    figures: dict[str, Any] = {"user-alice": limits(88)}
    async with serve(figures=figures) as simulator:
        await polled(folder, simulator.url)
        figures["user-alice"] = limits(95)
        done = await polled(folder, simulator.url)
        assert done.code == 0
        said = "poller: alert low: /bin/sh: it exited with 1; kept for the next round\n"
        assert done.err == said
        assert (folder / "tries").read_text() == "x\n" * 3
        (folder / "works").touch()
        figures["user-alice"] = limits(100, spent=True)
        assert (await polled(folder, simulator.url)).err == ""
    (message,) = came(folder)
    assert message["event"] == "several"
    assert [each["change"] for each in message["changes"]] == ["low", "exhausted"]


async def test_an_outage_is_one_message_to_a_webhook_that_nobody_reads_the_url_of(
    tmp_path: Path,
) -> None:
    write(tmp_path / "account", *numbered(6))
    (tmp_path / "alerts.toml").write_text('[[alert]]\nname = "all"\nurl_file = "url"\n')
    async with receiver(503, 503, 503) as there:
        (tmp_path / "url").write_text(there.url)
        async with serve() as simulator:
            done = await polled(tmp_path, simulator.url)
            assert done.err == "poller: others on this machine can read url: chmod 600\n"
        (tmp_path / "url").chmod(0o600)
        async with serve(fault="503") as simulator:
            done = await polled(tmp_path, simulator.url, "--retries", "0", "-vv")
            assert "alert all: it answered 503; kept for the next round" in done.err
            assert "s3cret" not in done.err
        async with serve() as simulator:
            assert (await polled(tmp_path, simulator.url)).err == ""
    assert len(there.came) == 4
    message = json.loads(there.came[3][1])
    assert [(each["change"], each["over"]) for each in message["changes"]] == [
        ("incident", False),
        ("incident", True),
    ]
    assert "s3cret" not in message["text"]


async def test_a_poll_ends_in_time_while_a_hook_runs_and_the_hook_with_it(folder: Path) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    (folder / "alerts.toml").write_text(
        f'[[alert]]\nname = "low"\nrun = ["/bin/sh", "-c", "{script}"]\n'
    )
    figures: dict[str, Any] = {"user-alice": limits(50)}
    words = ("--config", "alerts.toml", "--history", "h.db", "--alerts", "--chatgpt-url")
    async with serve(figures=figures) as simulator:
        await polled(folder, simulator.url)
        figures["user-alice"] = limits(100, spent=True)
        async with started(*words, simulator.url, cwd=folder, env=UNMEASURED) as running:
            assert running.stdout is not None
            await running.stdout.readline()  # the record comes before the hook
            while not (folder / "pid").exists():
                await _soon()
            running.send_signal(signal.SIGTERM)
            at = time.monotonic()
            done = await ended(running)
    assert (done.code, done.err) == (143, "")
    assert time.monotonic() - at < 2


async def _soon() -> None:
    import anyio

    await anyio.sleep(0.01)


async def test_a_history_that_is_locked_costs_no_record(folder: Path) -> None:
    figures: dict[str, Any] = {"user-alice": limits(50)}
    async with serve(figures=figures) as simulator:
        await polled(folder, simulator.url)
        figures["user-alice"] = limits(100, spent=True)
        async with lock_held_elsewhere(folder / "h.db"):
            done = await polled(folder, simulator.url)
            assert (done.code, len(done.records)) == (0, 1)
            assert "another program has it locked" in done.err
        assert came(folder) == []
        assert (await polled(folder, simulator.url)).err == ""
    assert [each["event"] for each in came(folder)] == ["exhausted"]


async def test_alerts_need_a_history_and_rules(folder: Path) -> None:
    done = await run("--config", "alerts.toml", "--alerts", cwd=folder)
    assert (done.code, done.out) == (64, b"")
    assert done.err == (
        "poller: --alerts: what was sent before is kept in the history: "
        "give --record or --history FILE as well\n"
    )
    done = await run("--alerts", "--history", "h.db", cwd=folder)
    assert done.code == 64
    assert "--alerts: there are no rules: add an [[alert]] table to " in done.err


async def test_rules_are_listed_with_what_fires(folder: Path) -> None:
    rule = 'name = "chat"\nurl_env = "URL"\nseverity = "critical"\nquiet = "22:00-07:00"\n'
    rule += 'remind = "6h"\n'
    (folder / "alerts.toml").write_text(
        f'{RULE}[[alert]]\n{rule}accounts = ["a*"]\nfor = 2\nwindow = "weekly"\non = "back"\n'
    )
    words = ("alerts", "list", "--config", "alerts.toml", "--history", "h.db")
    first = json.loads((await run(*words, cwd=folder)).out.splitlines()[0])
    assert (first["name"], first["firing"], first["trouble"]) == ("low", [], None)
    figures: dict[str, Any] = {"user-alice": limits(88)}
    async with serve(figures=figures) as simulator:
        await polled(folder, simulator.url)
        figures["user-alice"] = limits(95)
        await polled(folder, simulator.url)
    done = await run(*words, cwd=folder)
    low, chat = [json.loads(line) for line in done.out.splitlines()]
    assert low["firing"] == [{"account": "alice", "change": "low", "window": "weekly"}]
    assert chat["trouble"] == "environment variable URL: it is not set"
    assert (chat["for"], chat["quiet"], chat["severity"]) == (2, "22:00-07:00", "critical")
    shown = (await run(*words, "--format", "table", cwd=folder)).out.decode()
    assert "  firing: alice week low\n" in shown
    assert "chat (critical)\n  on: back\n  accounts: a*\n  window: week\n" in shown
    assert "  answers in a row: 2\n  repeated every: 6 h\n  quiet: 22:00-07:00\n" in shown
    chinese = await run(*words, "--format", "table", cwd=folder, env={"LC_ALL": "zh_CN.UTF-8"})
    assert "正在提醒" in chinese.out.decode()
    assert "chat（紧急）\n" in chinese.out.decode()  # noqa: RUF001
    assert "  重复间隔\N{FULLWIDTH COLON}6 小时\n" in chinese.out.decode()


async def test_a_demo_lists_the_rules_and_reads_no_history_of_yours(folder: Path) -> None:
    done = await run("alerts", "--demo", "--config", "alerts.toml", cwd=folder)
    assert (done.code, json.loads(done.out)["firing"], done.err) == (0, [], "")


async def test_without_rules_there_is_nothing_to_list(tmp_path: Path) -> None:
    done = await run("alerts", cwd=tmp_path)
    assert (done.code, done.out) == (0, b"")
    assert done.err.startswith("poller: there are no alert rules: add an [[alert]] table to ")


async def test_a_damaged_history_is_said_and_the_rules_are_listed(folder: Path) -> None:
    (folder / "h.db").write_bytes(b"not a database" * 1000)
    done = await run("alerts", "--config", "alerts.toml", "--history", "h.db", cwd=folder)
    assert (done.code, len(done.out.splitlines())) == (0, 1)
    assert (
        done.err
        == "poller: history h.db: it is not a database: name another file, or move it away\n"
    )


async def test_a_rule_is_tested_also_in_quiet_hours(folder: Path) -> None:
    (folder / "alerts.toml").write_text(f'{RULE}quiet = "00:00-23:59"\n')
    words = ("alerts", "test", "low", "--config", "alerts.toml")
    done = await run(*words, cwd=folder)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == {"rule": "low", "result": "delivered", "why": None}
    (message,) = came(folder)
    assert (message["event"], message["changes"]) == ("test", [])
    assert message["text"] == "a test of the alert low: nothing has changed"
    shown = await run(*words, "--format", "table", cwd=folder)
    assert shown.out == b"low: delivered\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("test", "chat"), 2, "alert chat: environment variable URL: it is not set"),
        (("test", "chta"), 64, "\"chta\": no such alert; did you mean 'chat'?"),
        (("test", "zzz"), 64, '"zzz": no such alert; there are low, chat'),
        (("test",), 64, "NAME: expected the rule to test: low, chat"),
        (("list", "low"), 64, '"low": one word too many: poller alerts list takes none'),
        (("tset",), 64, "list|test: expected 'list' or 'test', got \"tset\"; did you mean 'test'?"),
    ],
)
async def test_what_cannot_be_tested_is_said(
    folder: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (folder / "alerts.toml").write_text(f'{RULE}[[alert]]\nname = "chat"\nurl_env = "URL"\n')
    done = await run("alerts", *words, "--config", "alerts.toml", cwd=folder)
    assert (done.code, done.err) == (code, f"poller: {said}\n")


async def test_a_test_trusts_the_certificates_that_it_is_given(
    tmp_path: Path, certificates: Certificates
) -> None:
    (tmp_path / "alerts.toml").write_text('[[alert]]\nname = "chat"\nurl_env = "URL"\n')
    words = ("alerts", "test", "chat", "--config", "alerts.toml", "--ca-file", certificates.ca_file)
    async with receiver(tls=certificates.server) as there:
        done = await run(*words, cwd=tmp_path, env={"URL": there.url})
    assert (done.code, done.err, len(there.came)) == (0, "", 1)


async def test_a_test_ends_at_a_signal_with_its_hook(folder: Path) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    (folder / "alerts.toml").write_text(
        f'[[alert]]\nname = "low"\nrun = ["/bin/sh", "-c", "{script}"]\n'
    )
    words = ("alerts", "test", "low", "--config", "alerts.toml")
    async with started(*words, cwd=folder, env=UNMEASURED) as running:
        while not (folder / "pid").exists():
            await _soon()
        running.send_signal(signal.SIGINT)
        assert (await ended(running)).code == 130


async def test_hooks_do_not_see_the_urls_of_other_rules(folder: Path) -> None:
    (folder / "alerts.toml").write_text(
        '[[alert]]\nname = "low"\nrun = ["/bin/sh", "-c", "env > env"]\n'
        '[[alert]]\nname = "chat"\nurl_env = "CHAT_URL"\n'
    )
    words = ("alerts", "test", "low", "--config", "alerts.toml")
    secret = {"CHAT_URL": "https://127.0.0.1/s3cret", "OTHER": "seen"}
    assert (await run(*words, cwd=folder, env=secret)).code == 0
    told = (folder / "env").read_text()
    assert "OTHER=seen" in told
    assert "s3cret" not in told


async def test_watch_tells_while_it_goes_on_and_a_hook_holds_nothing_up(folder: Path) -> None:
    (folder / "alerts.toml").write_text(RULE.replace("cat >> came", "sleep 1; cat >> came"))
    figures: dict[str, Any] = {"user-alice": limits(88)}
    words = ("watch", "--config", "alerts.toml", "--history", "h.db", "--every", "0.2s")
    async with (
        serve(figures=figures) as simulator,
        started(*words, "--rounds", "8", "--chatgpt-url", simulator.url, cwd=folder) as running,
    ):
        assert running.stdout is not None
        first = json.loads(await running.stdout.readline())
        assert first["round"] == 1
        figures["user-alice"] = limits(100, spent=True)
        done = await ended(running)
    assert (done.code, done.err) == (0, "")
    (message,) = came(folder)  # the hook was waited for at the end
    assert message["event"] == "exhausted"


async def test_watch_takes_a_renamed_file_for_the_account_that_it_was(folder: Path) -> None:
    write(folder / "account", *numbered(8))
    (folder / "alerts.toml").write_text(f'{RULE}on = ["appeared", "gone"]\n')
    words = ("watch", "--config", "alerts.toml", "--history", "h.db", "--every", "0.3s")
    async with (
        serve() as simulator,
        started(*words, "--chatgpt-url", simulator.url, cwd=folder) as running,
    ):
        assert running.stdout is not None
        await until_asked(running, "alice")
        (folder / "account" / "alice.auth.json").rename(folder / "account" / "al.auth.json")
        for _ in range(2):
            await until_asked(running, "al")
        assert came(folder) == []
        (folder / "account" / "al.auth.json").unlink()
        while not came(folder):
            await running.stdout.readline()
        running.terminate()
        await ended(running)
    assert [(each["account"], each["change"]) for each in came(folder)[0]["changes"]] == [
        ("al", "gone")
    ]


async def test_watch_tells_nobody_of_made_up_accounts(folder: Path) -> None:
    rule = '[[alert]]\nname = "a"\nurl_file = "none"\non = ["low", "appeared"]\nbelow = 100\n'
    (folder / "alerts.toml").write_text(rule)
    words = ("watch", "--demo", "--demo-speed", "3600", "--rounds", "2", "--config", "alerts.toml")
    done = await run(*words, "--every", "60s", cwd=folder)
    assert (done.code, done.err) == (0, "")


async def test_watch_says_that_alerts_need_a_history(folder: Path) -> None:
    async with serve() as simulator:
        words = ("watch", "--no-history", "--rounds", "1", "--config", "alerts.toml")
        done = await run(*words, "--chatgpt-url", simulator.url, cwd=folder)
    assert done.code == 0
    assert done.err == (
        "poller: alerts are not evaluated without a history: leave out --no-history\n"
    )
