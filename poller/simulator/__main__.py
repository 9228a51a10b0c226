"""The simulator's command: ``python -m poller.simulator``, and ``poller simulate``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import ssl
import sys
import time
from typing import TYPE_CHECKING

from poller.simulator.accounts import MadeUpAccount, made_up
from poller.simulator.arguments import ArgumentsError, parse
from poller.simulator.clock import SpedUpClock
from poller.simulator.faults import fault_list
from poller.simulator.server import serve
from poller.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_USAGE = 64
_MARKER = ".made-up-by-poller-simulator"
"""A file in every folder written here: such a folder may be written again."""
_OURS = re.compile(r"acct-\d{6,}\.auth\.json")
_ON_THIS_MACHINE = ("127.", "localhost", "::1")


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m poller.simulator") -> int:
    """Write the files, serve until SIGINT or SIGTERM; return the exit code.

    0 when told to stop, 64 where the arguments, the folder or the address are not usable.
    ``prog`` is what help and messages call the command.
    """
    try:
        args = parse(argv, prog=prog)
        if args.list_faults:
            sys.stdout.write(f"{fault_list()}\n")
            return 0
        if args.dir is not None:
            write_accounts(args.dir, _accounts(args))
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(args, _ssl_context(args), prog))
    except SystemExit as leaving:  # help was printed
        return _USAGE if leaving.code else 0
    except ArgumentsError as error:
        return _complain(prog, str(error))
    except OSError as error:
        return _complain(prog, _described(error))
    return 0


def _complain(prog: str, sentence: str) -> int:
    sys.stderr.write(f"{prog}: {sentence}\n")
    return _USAGE


def _described(error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"{error.filename}: {reason}" if error.filename else reason


def _accounts(args: argparse.Namespace) -> Iterable[MadeUpAccount]:
    return made_up(
        args.accounts,
        now=time.time(),
        fault_share=args.fault_share,
        seed=args.seed,
        fault_mix=args.fault_mix,
        team_size=args.team_size,
    )


def write_accounts(folder: Path, accounts: Iterable[MadeUpAccount]) -> None:
    """Write each account's auth file, readable by the owner alone, into ``folder``.

    The folder is created if it is missing. Files of an earlier call are deleted.

    Raises:
        FileExistsError: something else lies in the folder; nothing was touched.
        OSError: the folder or a file cannot be written.
    """
    _clear(folder)
    (folder / _MARKER).touch(mode=0o600)
    for account in accounts:
        path = f"{folder}{os.sep}{account.name}.auth.json"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, account.auth_file)
        finally:
            os.close(file)


def _clear(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = set(os.listdir(folder))
    foreign = sorted(name for name in names - {_MARKER} if not _OURS.fullmatch(name))
    if foreign or (names and _MARKER not in names):
        found = foreign[0] if foreign else min(names)
        raise FileExistsError(
            f"{folder}: holds files that were not made up here ({found!a}, …), none was touched;"
            " name an empty folder or a new one"
        )
    for name in names:
        (folder / name).unlink()


def _ssl_context(args: argparse.Namespace) -> ssl.SSLContext | None:
    if args.cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(args.cert, args.key)
    except OSError as error:  # it does not say which file
        files = args.cert if args.key is None else f"{args.cert}, {args.key}"
        raise ArgumentsError(f"--cert: {files}: {_described(error)}") from None
    return context


async def _serve(args: argparse.Namespace, ssl_context: ssl.SSLContext | None, prog: str) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: ctrl-c interrupts the loop
            asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with contextlib.AsyncExitStack() as stack:
        try:
            simulator = await stack.enter_async_context(
                serve(
                    latency_s=args.latency,
                    host=args.host,
                    port=args.port,
                    ssl_context=ssl_context,
                    fault=args.fault,
                    surplus=args.surplus,
                    seed=args.seed,
                    live=args.live,
                    clock=SpedUpClock(time.time(), args.speed) if args.live else time,
                    clock_offset_s=args.clock_offset,
                    detail=not args.lean,
                )
            )
        except (OSError, UnicodeError) as error:
            reason = _described(error) if isinstance(error, OSError) else "not a valid name"
            raise ArgumentsError(
                f"cannot listen on {printable(args.host)}, port {args.port}: {reason};"
                " choose another --host or --port (0 picks a free port)"
            ) from None
        sys.stdout.write(f"{simulator.url}\n")
        sys.stdout.flush()
        sys.stderr.write(_welcome(args, simulator.origin, simulator.url, prog))
        await told.wait()


def _welcome(args: argparse.Namespace, origin: str, url: str, prog: str) -> str:
    lines = [f"serving made-up accounts; counts at {origin}/stats; ctrl-c stops it"]
    if not args.host.startswith(_ON_THIS_MACHINE):
        lines.append("others on your network can reach it, too: send it no real tokens")
    if args.dir is not None:
        poller = prog.removesuffix(" simulate").removesuffix(".simulator")
        words = ["--account-dir", str(args.dir), "--chatgpt-url", url]
        trust = ["--ca-file", str(args.cert)] if args.cert else []
        lines.append(f"try: {poller} {shlex.join([*words, *trust])}")
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
