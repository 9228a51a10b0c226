from __future__ import annotations

import json
import signal
import ssl
import stat
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from poller.simulator.__main__ import main

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
    assert f"--account-dir {folder} --chatgpt-url {url}" in err


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
        (["--latency", "soon"], "is no duration"),
        (["--fault-share", "2"], "is no share"),
        (["--fault-share", "much"], "is no share"),
        (["--fault", "resett"], "did you mean 'reset'?"),
        (["--fault-mix", "503,nonsense"], "unknown fault"),
        (["--nonsense"], "unrecognized arguments"),
        (["--port", "0", "--cert", "/nonexistent"], "No such file"),
    ],
)
def test_a_wrong_argument_is_said(
    capsys: pytest.CaptureFixture[str], args: list[str], says: str
) -> None:
    assert main(args) == 64
    assert says in capsys.readouterr().err


def test_help_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "--fault-share" in capsys.readouterr().out


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
