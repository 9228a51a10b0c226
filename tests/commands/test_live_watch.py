"""``poller watch`` on real terminals: what they show, and that they are as before afterwards."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from poller.simulator.server import serve
from tests.running import POLLER, UNMEASURED, account, environment, numbered, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TERMINAL = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TZ": "UTC", **UNMEASURED}
LONGEST_S = 30.0
LEFT = b"\x1b[?25h\x1b[?1049l"
CRASHES = """
import sys
from poller.present.live_view import LiveView
draw, drawn = LiveView.draw, []
def breaks(self, *given, **named):
    drawn.append(1)
    if len(drawn) > 1: raise ZeroDivisionError("secret")
    return draw(self, *given, **named)
LiveView.draw = breaks
from poller.__main__ import entry
entry()
"""
NAMELESS = """
import os
def ttyname(descriptor): raise OSError(2, "No such file or directory")
os.ttyname = ttyname
from poller.__main__ import entry
entry()
"""


class Terminal:
    """A terminal of the test's own, and the program that has it for a controlling one."""

    def __init__(
        self, *command: str, cwd: Path, size: tuple[int, int] = (100, 30), **how: Any
    ) -> None:
        self.master, slave = pty.openpty()
        self.resize(*size)
        self._slave = slave
        self.before = termios.tcgetattr(slave)
        self.seen = b""
        env = environment(cwd, TERMINAL | how.pop("env", {}))

        def controls() -> None:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        given: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave}
        given["preexec_fn"] = controls
        self.running: Any = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            start_new_session=True,
            **(given | how),
        )
        os.set_blocking(self.master, False)

    @property
    def after(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def send(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read(self) -> None:
        try:
            self.seen += os.read(self.master, 1 << 16)
        except (BlockingIOError, OSError):
            time.sleep(0.01)

    def until(self, *texts: str) -> None:
        """Read until all of the texts have come since the last call."""
        deadline = time.monotonic() + LONGEST_S
        while not all(text.encode() in self.seen for text in texts):
            assert time.monotonic() < deadline, self.seen[-2_000:]
            self.read()
        self.seen = b"" if LEFT not in self.seen else self.seen

    def end(self) -> int:
        deadline = time.monotonic() + LONGEST_S
        while self.running.poll() is None:
            assert time.monotonic() < deadline
            self.read()
        for _ in range(3):
            self.read()
        return int(self.running.returncode)

    def close(self) -> None:
        if self.running.poll() is None:
            self.running.kill()
        self.running.wait()
        for descriptor in (self.master, self._slave):
            try:
                os.close(descriptor)
            except OSError:
                continue


@contextmanager
def watching(
    tmp_path: Path, *options: str, command: tuple[str, ...] = POLLER, **how: Any
) -> Iterator[Terminal]:
    options = options or ("--demo", "3")
    terminal = Terminal(*command, "watch", *options, cwd=tmp_path, **how)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (b"q", 0),
        (b"\x03", 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGQUIT, 131),
    ],
)
def test_the_terminal_is_as_before_whatever_ends_it(
    tmp_path: Path, send: bytes | signal.Signals, code: int
) -> None:
    with watching(tmp_path) as terminal:
        terminal.until("asks next at")
        assert terminal.after != terminal.before
        if isinstance(send, bytes):
            terminal.send(send)
        else:
            terminal.running.send_signal(send)
        assert terminal.end() == code
        assert terminal.after == terminal.before
        assert terminal.seen.endswith(LEFT)


def test_the_terminal_is_as_before_where_two_signals_come_at_once(tmp_path: Path) -> None:
    with watching(tmp_path) as terminal:
        terminal.until("asks next at")
        for _ in range(2):
            terminal.running.send_signal(signal.SIGTERM)
        assert terminal.end() == 143
        assert terminal.after == terminal.before
        assert LEFT in terminal.seen


def test_a_crash_leaves_the_terminal_as_it_was_and_says_so(tmp_path: Path) -> None:
    with watching(tmp_path, command=(sys.executable, "-c", CRASHES)) as terminal:
        terminal.until("first time")
        assert terminal.end() == 70
        assert terminal.after == terminal.before
        said = terminal.seen.split(LEFT)[1].decode()
        assert said == "poller: a bug in this program: ZeroDivisionError; please report it\r\n"


def test_a_terminal_whose_file_cannot_be_opened_is_a_screen_all_the_same(tmp_path: Path) -> None:
    with watching(tmp_path, command=(sys.executable, "-c", NAMELESS)) as terminal:
        terminal.until("asks next at")
        terminal.send(b"q")
        assert terminal.end() == 0
        assert terminal.after == terminal.before
        assert terminal.seen.endswith(LEFT)


def test_where_it_is_not_the_controlling_one_either_it_gets_one_table_a_round(
    tmp_path: Path,
) -> None:
    command = (sys.executable, "-c", NAMELESS)
    options = ("--demo", "2", "--every", "0.3", "--rounds", "2")
    with watching(tmp_path, *options, command=command, preexec_fn=None) as terminal:
        assert terminal.end() == 0
        assert terminal.seen.count(b"Codex quota left") == 2
        assert LEFT not in terminal.seen


@pytest.mark.parametrize("stop", [b"q", signal.SIGTERM])
def test_a_terminal_that_lags_behind_is_as_before_once_it_has_caught_up(
    tmp_path: Path, stop: bytes | signal.Signals
) -> None:
    with watching(tmp_path, "--demo", "60", "--every", "1h", size=(240, 70)) as terminal:
        terminal.until("asks next at")
        # Nobody reads any more, and each resize is a whole screen.
        for columns in range(200, 240):
            terminal.resize(columns, 70)
            time.sleep(0.03)
        if isinstance(stop, bytes):
            terminal.send(stop)
        else:
            terminal.running.send_signal(stop)
        time.sleep(0.1)
        terminal.end()
        assert terminal.after == terminal.before
        assert terminal.seen.endswith(LEFT)


def test_ctrl_s_does_not_stop_it(tmp_path: Path) -> None:
    with watching(tmp_path) as terminal:
        terminal.until("asks next at")
        terminal.send(b"\x13?")
        terminal.until("any key closes this")
        terminal.send(b"xq")
        assert terminal.end() == 0
        assert terminal.seen.endswith(LEFT)


def test_a_hang_up_ends_it_also_where_the_signal_is_ignored(tmp_path: Path) -> None:
    quiet = ("sh", "-c", 'trap "" HUP; exec "$0" "$@"', *POLLER)
    for command in (POLLER, quiet):
        with watching(tmp_path, command=command, stderr=subprocess.DEVNULL) as terminal:
            terminal.until("asks next at")
            os.close(terminal._slave)
            os.close(terminal.master)
            assert terminal.running.wait(LONGEST_S) == 129


def test_where_nobody_could_bring_it_back_it_is_not_suspended(tmp_path: Path) -> None:
    with watching(tmp_path) as terminal:
        terminal.until("asks next at")
        terminal.running.send_signal(signal.SIGTSTP)  # its group is an orphan: no shell waits
        terminal.until("\x1b[?1049l", "\x1b[?1049h")
        terminal.send(b"q")
        assert terminal.end() == 0
        assert terminal.after == terminal.before


def test_an_unchanged_screen_costs_nothing(tmp_path: Path) -> None:
    with watching(tmp_path, "--demo", "3", "--every", "1h") as terminal:
        terminal.until("asks next at")
        time.sleep(0.5)
        terminal.read()
        terminal.seen = b""
        terminal.send(b"G")  # a key that changes nothing
        time.sleep(0.5)
        terminal.read()
        drawn = re.sub(rb"\x1b\[\?2026[hl]", b"", terminal.seen)
        assert len(drawn) < 400  # at most the line with the time, should a minute begin
        terminal.send(b"q")
        assert terminal.end() == 0


def test_what_was_warned_of_stands_on_standard_error_afterwards(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_text("this is no database" * 100)
    options = ("--demo", "2", "--history", "h.db")
    with watching(tmp_path, *options, stderr=subprocess.PIPE) as terminal:
        terminal.until("asks next at", "h.db")
        terminal.send(b"q")
        assert terminal.end() == 0
        assert terminal.running.stderr is not None
        with terminal.running.stderr as said:
            assert said.read().count(b"h.db") == 1


def test_a_dumb_terminal_gets_one_table_a_round(tmp_path: Path) -> None:
    options = ("--demo", "2", "--every", "0.3", "--rounds", "2")
    with watching(tmp_path, *options, env={"TERM": "dumb"}) as terminal:
        assert terminal.end() == 0
        assert terminal.seen.count(b"Codex quota left") == 2
        assert b"\x1b" not in terminal.seen
        assert terminal.after == terminal.before


def test_rounds_end_a_screen_as_they_end_a_pipe(tmp_path: Path) -> None:
    with watching(tmp_path, "--demo", "2", "--every", "0.3", "--rounds", "2") as terminal:
        assert terminal.end() == 0
        assert terminal.after == terminal.before


# What is on the screen: in tmux, which is a terminal of the strict kind


class Tmux:
    """A tmux server of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        self._env = environment(folder, TERMINAL)

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", os.devnull, *words],
            env=self._env,
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout

    def start(self, cwd: Path, columns: int, lines: int, *words: str) -> None:
        size = ("-x", str(columns), "-y", str(lines))
        told = f"{shlex.join(words)}; echo ended with $?; exec sleep {LONGEST_S:.0f}"
        self("new-session", "-d", *size, "-c", str(cwd), "sh", "-c", told)

    def screen(self) -> list[str]:
        return self("capture-pane", "-p").rstrip("\n").split("\n")

    def ended(self) -> str:
        """Return the exit code of the program, once it has ended."""
        (line,) = [line for line in self.until("ended with ") if "ended with" in line]
        return line.removeprefix("ended with ")

    def until(self, *texts: str) -> list[str]:
        deadline = time.monotonic() + LONGEST_S
        while True:
            shown = self.screen()
            if all(any(text in line for line in shown) for text in texts):
                return shown
            assert time.monotonic() < deadline, "\n".join(shown)
            time.sleep(0.03)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    made = Tmux(tmp_path)
    yield made
    subprocess.run(["tmux", "-S", made._socket, "kill-server"], capture_output=True, check=False)


def test_it_fits_every_size_and_follows_a_resize(tmp_path: Path, tmux: Tmux) -> None:
    tmux.start(tmp_path, 120, 30, *POLLER, "watch", "--demo")
    wide = tmux.until("12 accounts", "forecast", "asks next at", "q quit", "weekend")
    assert all(len(line) <= 120 for line in wide)
    for columns, lines in ((80, 24), (40, 12), (30, 5), (100, 30)):
        tmux("resize-window", "-x", str(columns), "-y", str(lines))
        shown = tmux.until("asks next at")
        assert len(shown) <= lines
        assert "asks next at" in shown[-1]
    tmux("send-keys", "q")
    assert tmux.ended() == "0"


def test_keys_sort_filter_scroll_and_explain(tmp_path: Path, tmux: Tmux) -> None:
    tmux.start(tmp_path, 100, 24, *POLLER, "watch", "--demo", "300", "--every", "1h")
    tmux.until("300 accounts", "1-", "of 298", "asks next at")
    tmux("send-keys", "G")
    tmux.until("-298 of 298")
    tmux("send-keys", "g", "NPage", "Down")
    tmux.until("19-")
    tmux("send-keys", "?")
    tmux.until("any key closes this")
    tmux("send-keys", "q")
    tmux.until("asks next at")
    tmux("send-keys", "/", "q", "work")
    tmux.until("filter: qwork_", "no account to show here")
    for _ in range(5):
        tmux("send-keys", "BSpace")
    tmux("send-keys", "work", "Enter")
    tmux.until("only 'work'")
    tmux("send-keys", "Escape")
    tmux("send-keys", "s")
    tmux.until("by name")
    tmux("send-keys", "S", "e")
    tmux.until("by name, reversed", "only what needs attention")
    tmux("send-keys", "p")
    tmux.until("paused")
    tmux("send-keys", "r", "s")
    assert "paused" in tmux.until("by what is left")[-1]  # nothing is asked before it goes on
    tmux("send-keys", "p", "r")
    tmux.until("may ask again at")
    tmux("send-keys", "q")
    assert tmux.ended() == "0"


def test_trouble_with_the_history_is_shown_while_it_lasts(tmp_path: Path, tmux: Tmux) -> None:
    history = tmp_path / "h.db"
    history.write_text("this is no database" * 100)
    options = ("--demo", "2", "--every", "0.3", "--history", "h.db")
    tmux.start(tmp_path, 100, 12, *POLLER, "watch", *options)
    tmux.until("asks next at", "history h.db: it is not a database")
    history.unlink()
    deadline = time.monotonic() + LONGEST_S
    while any("h.db" in line for line in tmux.screen()):
        assert time.monotonic() < deadline
    tmux("send-keys", "q")
    tmux.until("ended with 0", "poller: history h.db: it is not a database")


def test_a_time_days_ahead_has_its_date(tmp_path: Path, tmux: Tmux) -> None:
    tmux.start(tmp_path, 100, 12, *POLLER, "watch", "--demo", "2", "--every", "7d")
    (line,) = [line for line in tmux.until("asks next at") if "asks next at" in line]
    assert re.search(r"asks next at \w{3} \d+ \w{3} \d\d:\d\d ", line)
    tmux("send-keys", "q")
    assert tmux.ended() == "0"


def test_plans_count_for_as_much_as_the_configuration_says(tmp_path: Path, tmux: Tmux) -> None:
    (tmp_path / "c.toml").write_text("[pool.weights]\nplus = 100\n")
    tmux.start(tmp_path, 100, 24, *POLLER, "watch", "--demo", "3", "--config", "c.toml")
    (line,) = [line for line in tmux.until("asks next at") if "left in total" in line]
    assert re.search(r"5h \S+ of [1-9]\d\d ", line)
    tmux("send-keys", "q")
    assert tmux.ended() == "0"


def test_three_thousand_accounts_scroll_on_a_small_screen(tmp_path: Path, tmux: Tmux) -> None:
    options = ("--demo", "3000", "--demo-speed", "100", "--every", "7d")
    tmux.start(tmp_path, 40, 10, *POLLER, "watch", *options)
    tmux.until("acct-", "asks next at")
    before = tmux.screen()
    tmux("send-keys", "G")
    tmux.until("acct-", "asks next at")
    deadline = time.monotonic() + LONGEST_S
    while tmux.screen()[2:4] == before[2:4]:
        assert time.monotonic() < deadline
    tmux("send-keys", "q")
    assert tmux.ended() == "0"


def test_a_shell_suspends_it_and_brings_it_back(tmp_path: Path, tmux: Tmux) -> None:
    tmux.start(tmp_path, 100, 24, "bash", "--norc", "-i")
    tmux("send-keys", " ".join([*POLLER, "watch", "--demo", "3"]), "Enter")
    tmux.until("asks next at")
    tmux("send-keys", "C-z")
    shown = tmux.until("Stopped")
    assert not any("asks next at" in line for line in shown)
    tmux("send-keys", "fg", "Enter")
    tmux.until("asks next at", "3 accounts")
    tmux("send-keys", "q")
    tmux.until("Stopped")  # what was there before it came
    tmux("send-keys", "echo code $?", "Enter")
    tmux.until("code 0")


@pytest.mark.anyio
async def test_it_says_since_when_the_upstream_is_dead_and_what_changed(
    tmp_path: Path, tmux: Tmux
) -> None:
    write(tmp_path / "account", *numbered(8), account("changing"))
    async with serve() as simulator:
        options = ("--chatgpt-url", simulator.url, "--every", "0.3", "--patience", "1")
        words = (*POLLER, "watch", "--no-history", *options)
        await asyncio.to_thread(tmux.start, tmp_path, 100, 24, *words)
        await asyncio.to_thread(tmux.until, "asks next at")
        simulator.fault = "402"
        await asyncio.to_thread(tmux.until, "9 failed")
        simulator.fault = "503"
        await asyncio.to_thread(tmux.until, "has not answered since")
        await asyncio.to_thread(tmux, "send-keys", "q")
        assert await asyncio.to_thread(tmux.ended) == "0"


def test_it_speaks_chinese_and_wears_no_colour_where_told(tmp_path: Path, tmux: Tmux) -> None:
    env = ("env", "LC_ALL=zh_CN.UTF-8", "NO_COLOR=1")
    tmux.start(tmp_path, 100, 24, *env, *POLLER, "watch", "--demo")
    tmux.until("下次查询", "12 个账号")
    assert "\x1b[3" not in tmux("capture-pane", "-p", "-e")
    tmux("send-keys", "q")
    assert tmux.ended() == "0"
