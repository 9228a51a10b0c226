"""What a collector and an agent may be told, and what has no meaning for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from poller.cli import parse
from poller.settings import UsageError

if TYPE_CHECKING:
    from pathlib import Path

NATS = ("--nats", "nats://127.0.0.1")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--creds", "x"), "--creds: does nothing without --nats"),
        (("--shared", "x"), "--shared: does nothing without --nats"),
        (("--agents", "2"), "--agents: does nothing without --nats"),
        ((*NATS, "--refresh"), "--refresh: belongs to the agent"),
        ((*NATS, "--shared", "a", "--shared", "b"), "only an agent may have several"),
        ((*NATS, "--account-dir", "x"), "the folders are the agents'"),
        ((*NATS, "--raw-json"), "only with --show-identity there and here"),
        ((*NATS, "--demo"), "--demo polls made-up accounts only"),
        (("--nats", "http://127.0.0.1"), "expected nats://HOST[:PORT]"),
        (("--nats", "nats://a,nats://b/c"), "expected nats://HOST[:PORT]"),
    ],
)
def test_what_has_no_meaning_is_refused(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert told in str(caught.value)


def test_the_users_own_file_may_say_where_agents_are(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[agent]\nnats = "tls://a,tls://b:1"\nshared = "team=x"\nname = "desk"\nrefresh = 1\n'
    )
    with pytest.raises(UsageError, match="refresh"):
        parse(["--config", "mine.toml"])
    (tmp_path / "mine.toml").write_text(
        '[agent]\nnats = "tls://a,tls://b:1"\nshared = "team=x"\nname = "desk"\n'
    )
    asked = parse(["--config", "mine.toml"])
    assert (asked.nats, asked.shared, asked.agent_name) == (
        "tls://a,tls://b:1",
        ("team=x",),
        "desk",
    )
    assert parse(["agent", "--server-config", "a", "b"]).server_config == ("a", "b")


def test_what_a_file_says_of_agents_is_for_the_commands_that_know_them(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[agent]\nnats = "tls://a"\nagents = 2\n')
    mine = ("--config", "mine.toml", "--account-dir", "x")
    for command in ("list", "next", "guard", "timeline", "report"):
        assert parse([command, *mine]).nats is None
    for command in ("poll", "watch", "serve"):
        with pytest.raises(UsageError, match="--nats none asks on this machine"):
            parse([command, *mine])
        assert parse([command, *mine, "--nats", "none"]).nats is None
