"""One call of a run fails: which, how, and what the run has to show for it all the same.

A run polls fourteen accounts of every sort over https by name, so that each kind of call
is made: look-ups, handshakes, files, connections, clocks. The clean run tells how often
each is made; then each call fails once in each way, one a run.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from poller.simulator.server import serve
from poller.values import FailureKind
from tests.auth_files import content, several
from tests.running import POLLER, ROOT, account, environment, record_of, write

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Iterator

    from poller.simulator.server import Simulator

STAND_IN = Path(__file__).parent / "stand_in"
ENDS_WITHIN_S = 20.0
"""The accounts' deadline is 8 s; 2 s more, and what a busy machine takes."""

_SYSTEM = ("EIO", "ENOSPC", "EMFILE", "memory", "cancel")
_OURS = ("memory", "bug", "cancel")
TARGETS: dict[str, tuple[int, tuple[str, ...]]] = {
    "os.open": (17, _SYSTEM),
    "os.read": (17, _SYSTEM),
    "os.write": (14, _SYSTEM),
    "os.fstat": (21, _SYSTEM),
    "os.close": (17, _SYSTEM),
    "os.listdir": (1, _SYSTEM),
    "select.epoll": (2, _SYSTEM),
    "socket.socketpair": (1, _SYSTEM),
    "socket.socket.__init__": (10, _SYSTEM),
    "socket.socket.connect": (8, _SYSTEM),
    "socket.socket.send": (39, _SYSTEM),
    "socket.socket.recv": (4, _SYSTEM),
    "socket.socket.setsockopt": (16, _SYSTEM),
    "socket.getaddrinfo": (1, _SYSTEM),
    "ssl.SSLContext.wrap_bio": (8, ("EIO", "memory", "cancel")),
    "ssl.SSLContext.load_verify_locations": (1, _SYSTEM),
    "orjson.loads": (47, _OURS),
    "orjson.dumps": (28, _OURS),
    "threading.Thread.start": (2, ("thread", "memory")),
    "only:time.time": (36, ("memory",)),
    "only:time.monotonic": (92, ("memory",)),
    "asyncio.base_events.BaseEventLoop.call_later": (18, ("memory", "cancel")),
    "asyncio.base_events.BaseEventLoop.create_future": (58, ("memory", "cancel")),
}
"""Each function that is made to fail: about how often a clean run calls it, and how it fails."""


@dataclass(frozen=True)
class Blow:
    """One call that fails."""

    target: str
    nth: int
    error: str

    def __str__(self) -> str:
        return f"{self.target} {self.nth} {self.error}"


@dataclass(frozen=True)
class Survived:
    """What a run has to show for it."""

    code: int
    kinds: dict[str, str | None]
    """By account, of its records."""
    said: str
    calls: int
    """Of the target."""
    struck: bool
    took_s: float
    seen: dict[str, int]
    """Attempts by account as the server counted them."""
    attempts: dict[str, int]


class Arena:
    """The upstream, the files, and the runs over them; every run has accounts of its own."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self._simulator = simulator
        self._folder = folder
        self._runs = 0

    async def run(self, blow: Blow, *more: str) -> Survived:
        """Make one run; AssertionError where it hangs, traces back or shows a token."""
        self._runs += 1
        mark, home = f"t{self._runs}", self._folder / f"t{self._runs}"
        home.mkdir()
        _accounts(home / "account", mark)
        log = home / "calls"
        env = {
            "PYTHONPATH": f"{STAND_IN}:{ROOT}",
            "POLLER_TORTURE": f"{blow} {log}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        words = [f"--chatgpt-url={self._simulator.url}", f"--ca-file={self._folder / 'ca.pem'}"]
        words += ["--concurrency=4", "--timeout=2", "--account-deadline=8", "--ordered", *more]
        begun_at = time.monotonic()
        code, out, err = await _run(words, home, env)
        took_s = time.monotonic() - begun_at
        assert "Traceback" not in err, (blow, err)
        assert "eyJ" not in err + out.decode(), (blow, err)
        calls = log.read_bytes() if log.exists() else b""
        records = [record_of(line) for line in out.splitlines()]
        names = [record["account"].replace(mark, "") for record in records]
        assert len({*names}) == len(names), (blow, names)
        counts = self._simulator.counts.accounts
        return Survived(
            code,
            {n: r["error"] and r["error"]["kind"] for n, r in zip(names, records, strict=True)},
            err,
            len(calls),
            b"!" in calls,
            took_s,
            {
                name: sum(c.attempts for i, c in counts.items() if _is_of(i, mark, name))
                for name in names
            },
            {n: r["attempts"] for n, r in zip(names, records, strict=True)},
        )


def _is_of(account_id: str, mark: str, name: str) -> bool:
    whose = account_id.partition("-")[2].partition("~")[0]
    return whose == mark + name.rpartition(":")[2]


def _accounts(folder: Path, mark: str) -> None:
    endings = ("",) * 7 + ("~503x1", "~401x1", "~resetx1", "~402")
    write(folder, *(account(f"{mark}n{i:02d}", ending) for i, ending in enumerate(endings)))
    two = folder / f"{mark}two.auth.json"
    two.write_bytes(content(several(f"{mark}two-a", f"{mark}two-b")))
    broken = folder / f"{mark}broken.auth.json"
    broken.write_bytes(b'{"tokens": ')
    for path in (two, broken):
        path.chmod(0o600)


async def _run(words: list[str], home: Path, env: dict[str, str]) -> tuple[int, bytes, str]:
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(
        *POLLER, *words, cwd=home, env=environment(home, env), stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(ENDS_WITHIN_S):
            out, err = await running.communicate()
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGKILL)
            await running.wait()
    assert running.returncode is not None
    return running.returncode, out, err.decode()


@asynccontextmanager
async def arena(folder: Path) -> AsyncIterator[Arena]:
    """Serve an upstream over https; its accounts and logs lie in ``folder``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with serve(host="localhost", ssl_context=context) as simulator:
        yield Arena(simulator, folder)


def check(blow: Blow, survived: Survived, clean: Survived) -> str:
    """Return what a blow did: ``none``, ``healed``, or what it cost; AssertionError for more.

    A call that failed may cost the account it was made for. No other may pay, and none may
    be without its record, unless the results themselves could not be written.
    """
    if not survived.struck:
        return "none"
    if survived.code == 74:
        assert "lost" in survived.said, (blow, survived)
        return "results lost, and said so"
    if not survived.kinds and survived.code in (64, 70):
        assert survived.said.startswith("poller: "), (blow, survived)
        assert not any(survived.seen.values()), (blow, survived)
        return "nothing polled, and said so"
    changed = _changed(survived.kinds, clean.kinds)
    assert survived.code == _code(survived.kinds), (blow, survived)
    if blow.target.startswith("asyncio.") and {*changed.values()} == {"local_resource"}:
        return "no memory for the loop itself: every account its record"
    assert len({name.partition(":")[0] for name in changed}) <= 1, (blow, survived, changed)
    for name, attempts in survived.attempts.items():
        assert 0 <= attempts - survived.seen[name] <= 1, (blow, name, survived)
    return f"one account: {next(iter(changed.values()))}" if changed else "healed"


def _changed(kinds: dict[str, str | None], clean: dict[str, str | None]) -> dict[str, str | None]:
    """Return what differs; a file of two that cannot be read is one account."""
    lost = {name for name in clean.keys() - kinds.keys() if name.partition(":")[0] not in kinds}
    assert not lost, (kinds, lost)
    return {name: kind for name, kind in kinds.items() if kind != clean.get(name, "")}


def _code(kinds: dict[str, str | None]) -> int:
    classes = [FailureKind(kind).exit_class for kind in kinds.values() if kind is not None]
    return max(classes, default=0)


def blows(target: str, calls: int, *, share: float, chance: random.Random) -> Iterator[Blow]:
    """Yield each call failing in each way, or that share of them, the first always."""
    _, errors = TARGETS[target]
    for error in errors:
        for nth in range(1, calls + 1):
            if nth == 1 or chance.random() < share:
                yield Blow(target, nth, error)


KNOWN = {
    Blow("os.listdir", 1, "EIO"): "nothing polled, and said so",
    Blow("os.write", 3, "ENOSPC"): "results lost, and said so",
    Blow("asyncio.base_events.BaseEventLoop.call_later", 1, "cancel"): "results lost, and said so",
    Blow("orjson.dumps", 3, "bug"): "one account: internal",
    Blow("orjson.dumps", 3, "memory"): "healed",
    Blow("orjson.dumps", 25, "bug"): "one account: internal",
    Blow("orjson.dumps", 25, "memory"): "one account: local_resource",
    Blow("orjson.loads", 4, "bug"): "one account: internal",
    Blow("os.open", 5, "EIO"): "one account: file_unreadable",
    Blow("os.open", 5, "EMFILE"): "healed",
    Blow("socket.socket.connect", 2, "EMFILE"): "healed",
    Blow("threading.Thread.start", 1, "thread"): "healed",
}
"""What some of them come to, one of every sort."""


def drawn(count: int, chance: random.Random) -> list[Blow]:
    """Return so many of all that may be: one of each target, the others at random."""
    every = {
        target: [Blow(target, nth, error) for error in errors for nth in range(1, calls + 1)]
        for target, (calls, errors) in TARGETS.items()
    }
    one_each = [chance.choice(of_target) for of_target in every.values()]
    others = [blow for of_target in every.values() for blow in of_target if blow not in one_each]
    return one_each + chance.sample(others, max(0, count - len(one_each)))


async def strike(ring: Arena, blow: Blow, clean: Survived) -> str:
    """Make a run with one call that fails; return what it did, or how it broke its promise."""
    try:
        return check(blow, await ring.run(blow), clean)
    except (AssertionError, TimeoutError) as error:
        return f"broken: {blow}: {type(error).__name__}: {error}"
