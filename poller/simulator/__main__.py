"""Command line of the made-up upstream: ``python -m poller.simulator``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from poller.simulator.accounts import FAULT_MIX, MadeUpAccount, made_up
from poller.simulator.faults import fault_of
from poller.simulator.plays import duration_s
from poller.simulator.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_USAGE = 64
_MARKER = ".made-up-by-poller-simulator"
"""Lies in a folder that was written here, and so may be written again."""
_OURS = re.compile(r"acct-\d{6,}\.auth\.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files, serve until SIGINT or SIGTERM; return the exit code.

    0 when told to stop, 64 where the arguments, the folder or the address will not do.
    """
    try:
        args = _parser().parse_args(argv)
    except SystemExit as leaving:
        return _USAGE if leaving.code else 0
    try:
        if args.dir is not None:
            write_accounts(args.dir, _accounts(args))
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(args, _ssl_context(args)))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"poller.simulator: {error}\n")
        return _USAGE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m poller.simulator",
        description="A made-up usage endpoint with made-up accounts, which can misbehave.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8787, help="0 picks a free one (%(default)s)")
    add("--cert", type=Path, help="certificate chain, PEM: serve https")
    add("--key", type=Path, help="its key, where it is not in the same file")
    add("--dir", type=Path, help="folder to write the accounts' auth files to")
    add("--accounts", type=int, default=100, help="how many (%(default)s)")
    add("--team-size", type=int, default=1, help="how many share an account id (%(default)s)")
    add("--seed", type=int, default=0, help="another one, other accounts (%(default)s)")
    add("--latency", type=_duration, default=0.0, help="of every answer: 200ms, 0.2, 1s")
    add("--fault-share", type=_share, default=0.0, help="accounts with a fault, 0 to 1")
    add("--fault-mix", type=_faults, default=FAULT_MIX, help="which, comma-separated")
    add("--fault", type=_fault, help="what every request meets: 503, hang, reset, edge, …")
    add("--surplus", action="store_true", help="send a stranger's answer after each")
    add("--clock-offset", type=float, default=0.0, help="seconds the Date headers are off")
    add("--lean", action="store_true", help="count without times, headers and connections")
    return parser


def _duration(text: str) -> float:
    try:
        return duration_s(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no share: write a number from 0 to 1")


def _fault(text: str) -> str:
    try:
        fault_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _faults(text: str) -> tuple[str, ...]:
    return tuple(_fault(name) for name in text.split(","))


def _accounts(args: argparse.Namespace) -> Iterable[MadeUpAccount]:
    return made_up(
        args.accounts,
        now=time.time(),
        fault_share=args.fault_share,
        seed=args.seed,
        fault_mix=args.fault_mix,
        team_size=max(1, args.team_size),
    )


def write_accounts(folder: Path, accounts: Iterable[MadeUpAccount]) -> None:
    """Write each account's auth file, readable by the owner alone, into ``folder``.

    The folder is made where it is missing. What was written by an earlier call goes.

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
    context.load_cert_chain(args.cert, args.key)
    return context


async def _serve(args: argparse.Namespace, ssl_context: ssl.SSLContext | None) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: ctrl-c interrupts the loop
            asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with serve(
        latency_s=args.latency,
        host=args.host,
        port=args.port,
        ssl_context=ssl_context,
        fault=args.fault,
        surplus=args.surplus,
        seed=args.seed,
        clock_offset_s=args.clock_offset,
        detail=not args.lean,
    ) as simulator:
        sys.stdout.write(f"{simulator.url}\n")
        sys.stdout.flush()
        sys.stderr.write(_welcome(args, simulator.origin, simulator.url))
        await told.wait()


def _welcome(args: argparse.Namespace, origin: str, url: str) -> str:
    lines = [f"serving made-up accounts; counts at {origin}/stats; ctrl-c ends it"]
    if args.dir is not None:
        trust = f" --ca-file {args.cert}" if args.cert else ""
        command = f"python -m poller --account-dir {args.dir} --chatgpt-url {url}{trust}"
        lines.append(f"try: {command}")
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
