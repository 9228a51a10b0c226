"""Memory stays flat, however many files there are."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.running import POLLER, environment

if TYPE_CHECKING:
    from pathlib import Path


def peak_mb(arguments: tuple[str, ...], home: Path) -> float:
    """Run the program without measuring coverage; return the most memory it took."""
    env = {k: v for k, v in environment(home).items() if not k.startswith("COVERAGE")}
    running = subprocess.Popen(
        (*POLLER, *arguments), cwd=home, env=env, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    count = sum(1 for _ in running.stdout)
    running.stdout.close()
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    assert count >= 100
    return usage.ru_maxrss / 1024


def test_ten_thousand_files_take_the_memory_of_a_hundred(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    options = ("--port", "0", "--lean", "--accounts", "10000", "--dir", str(folder))
    command = (sys.executable, "-m", "poller.simulator", *options)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env={k: v for k, v in environment(tmp_path).items() if not k.startswith("COVERAGE")},
    ) as simulator:
        assert simulator.stdout is not None
        url = simulator.stdout.readline().strip()
        aim = ("--account-dir", str(folder), "--chatgpt-url", url, "--concurrency", "64")
        try:
            few = peak_mb((*aim, "acct-0000*"), tmp_path)
            many = peak_mb(aim, tmp_path)
        finally:
            simulator.terminate()

    assert many - few < 20
