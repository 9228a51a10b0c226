from __future__ import annotations

import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from poller.simulator.__main__ import main
from poller.simulator.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(*args: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "poller.simulator", "--port", "0", *args]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def fetch(url: str, file: Path | None = None, context: ssl.SSLContext | None = None) -> Any:
    headers = {}
    if file is not None:
        tokens = json.loads(file.read_bytes())["tokens"]
        headers = {
            "Authorization": f"Bearer {tokens['access_token']}",
            "ChatGPT-Account-Id": tokens["account_id"],
        }
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, context=context, timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_writes_files_serves_counts_and_ends_quietly(
    tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "new" / "accounts"
    with running("--accounts", "5", "--dir", str(folder), "--latency", "1ms") as (url, process):
        files = sorted(folder.glob("*.auth.json"))
        assert len(files) == 5
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        answers = [fetch(url, file) for file in files]
        assert [a["user_id"] for a in answers] == [f"user-{i:06d}" for i in range(5)]
        counts = fetch(url.replace("/backend-api/wham/usage", "/stats"))
        assert counts["requests"] == 5
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")
    assert "/stats" in err
    assert f"try: python -m poller --account-dir {folder} --chatgpt-url {url}\n" in err


def test_it_serves_https_and_names_its_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    cert = tmp_path / "cert.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(cert)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with running("--cert", str(cert), "--dir", str(tmp_path / "a"), "--accounts", "1") as (
        url,
        process,
    ):
        assert url.startswith("https://127.0.0.1:")
        assert fetch(url, tmp_path / "a" / "acct-000000.auth.json", context)["plan_type"]
        process.terminate()
        assert f"--ca-file {cert}" in process.communicate(timeout=10)[1]


def stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def served(*_: object) -> None:
        return None

    monkeypatch.setattr("poller.simulator.__main__._serve", served)


def test_its_own_folder_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_at_once(monkeypatch)
    for count in ("7", "3"):
        assert main(["--dir", str(tmp_path), "--accounts", count]) == 0
        assert len(list(tmp_path.glob("*.json"))) == int(count)


@pytest.mark.parametrize("name", ["alice.auth.json", "acct-000000.auth.json", "notes"])
def test_a_foreign_folder_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("mine")
    assert main(["--dir", str(tmp_path)]) == 64
    assert "not made up here" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_foreign_file_among_its_own_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_at_once(monkeypatch)
    assert main(["--dir", str(tmp_path), "--accounts", "2"]) == 0
    (tmp_path / "alice.auth.json").write_text("mine")
    assert main(["--dir", str(tmp_path), "--accounts", "1"]) == 64
    assert len(list(tmp_path.glob("*.json"))) == 3


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--accounts", "-5"], "--accounts: expected a whole number from 0 to 1000000, got '-5'"),
        (["--accounts", "9" * 5_000], "--accounts: expected a whole number"),
        (["--team-size", "0"], "--team-size: expected a whole number from 1 to 1000000, got '0'"),
        (["--port", "70000"], "--port: expected a whole number from 0 to 65535, got '70000'"),
        (["--latency", "-1"], "--latency: '-1' is no duration: write 200ms, 0.2, 1s or 2m"),
        (["--latency", "soon"], "is no duration"),
        (["--latency", "9999999m"], "is longer than a day"),
        (["--clock-offset", "inf"], "--clock-offset: expected a number from -3.16224e+08"),
        (["--fault-share", "2"], "--fault-share: expected a number from 0 to 1, got '2'"),
        (["--fault-share", "nan"], "expected a number from 0 to 1, got 'nan'"),
        (["--live", "--speed", "0"], "--speed: expected a number from 0.001 to 86400, got '0'"),
        (["--speed", "600"], "--speed: only living accounts have a clock; add --live"),
        (["--fault", "slow-soon"], "--fault: 'soon' is no duration"),
        (["--fault", "big-99999999999"], "is no whole number from 1 to 67108864"),
        (["--fault", "reset-5"], "reset: takes no argument"),
        (["--nonsense"], "--nonsense: unknown option; python -m poller.simulator --help shows all"),
        (["--key", "k.pem"], "--key: needs the certificate, too; add --cert FILE"),
        (["--cert", "no/cert.pem"], "--cert: no/cert.pem: no such file or directory"),
        (["--host", "no.such.name.invalid"], "cannot listen on no.such.name.invalid, port 8787"),
        (["--host", "\x1b[31m"], "cannot listen on \\x1b[31m, port 8787"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    assert main(args) == 64
    told = capsys.readouterr().err
    assert told.startswith("python -m poller.simulator: ")
    assert says in told
    assert told.count("\n") == 1
    assert len(told) < 300


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--fault", "resett"], "'resett': unknown fault; did you mean 'reset'?"),
        (["--fault-mix", "503,qqqqqq"], "'qqqqqq': unknown fault; --list-faults shows all"),
    ],
)
def test_an_unknown_fault_is_answered_with_all_there_are(
    capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    assert main(args) == 64
    first, *rest = capsys.readouterr().err.splitlines()
    assert says in first
    for name, kind in FAULTS.items():
        assert any(line.startswith(f"  {name}") for line in rest)
        assert kind.does.split()[-1] in "\n".join(rest)
    assert max(map(len, rest)) < 80


def test_all_faults_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    assert "  slow[-DURATION]          answers after 1 s\n" in capsys.readouterr().out


def test_a_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["--port", port]) == 64
    assert f"cannot listen on 127.0.0.1, port {port}: " in capsys.readouterr().err


def test_help_names_the_command_as_it_was_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], prog="poller simulate") == 0
    told = capsys.readouterr().out
    assert told.startswith("usage: poller simulate [options]\n")
    assert "--fault-share" in told
    assert max(map(len, told.splitlines())) < 81


def test_listening_beyond_this_machine_is_warned_about() -> None:
    with running("--host", "0.0.0.0") as (url, process):
        assert url.startswith("http://127.0.0.1:")
        process.terminate()
        assert "send it no real tokens" in process.communicate(timeout=10)[1]


def test_accounts_live_on_the_command_line(tmp_path: Path) -> None:
    args = ["--dir", str(tmp_path / "a"), "--accounts", "40", "--live", "--speed", "86400"]
    with running(*args) as (url, _):
        files = sorted((tmp_path / "a").glob("*.json"))
        seen: list[list[Any]] = [[], []]
        deadline = time.monotonic() + 10  # every 10 s nearly ten days go by
        while seen[0] in ([], seen[1]) and time.monotonic() < deadline:
            seen = [seen[1], [fetch(url, file)["rate_limit"] for file in files]]
        assert seen[0] != seen[1]


def test_faults_can_be_told_on_the_command_line(tmp_path: Path) -> None:
    args = ["--dir", str(tmp_path / "a"), "--accounts", "10", "--fault-share", "0.2"]
    with running(*args, "--fault-mix", "503-after-1x1", "--fault", "slow-1ms", "--lean") as (
        url,
        _,
    ):
        files = sorted((tmp_path / "a").glob("*.json"))
        ids = [json.loads(file.read_bytes())["tokens"]["account_id"] for file in files]
        assert [one.partition("~")[2] for one in ids].count("503-after-1x1") == 2
        assert fetch(url, files[4])["account_id"] == "acct-000004~503-after-1x1"
