"""The command line of the simulator: its flags, what each accepts, and the help."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

from poller.simulator.accounts import FAULT_MIX
from poller.simulator.faults import UnknownFaultError, fault_list, fault_of
from poller.simulator.scripted import duration_s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_ACCOUNTS = 1_000_000
_FASTEST = 86_400
"""A day a second."""
_TEN_YEARS_S = 10 * 366 * 86_400
_LONGEST_SHOWN = 80

_DESCRIPTION = """\
Serve made-up accounts on this machine, as the usage endpoint of ChatGPT would,
so that poller (or another client) can be tried without a login. The accounts
can misbehave, and their usage can move with time."""

_EPILOG = """\
a fault is written NAME[-ARGUMENT][@reused][xN]:
  --fault 503                every request is answered with status 503
  --fault-mix slow-2s,reset  with --fault-share: these faults in equal parts
  x2 at the end: the first two attempts only
  @reused: only on a connection that has carried a request before
  an account id that ends in ~503x1 asks for a fault of its own

examples:
  {prog} --dir /tmp/accounts --accounts 12
  {prog} --dir /tmp/accounts --live --speed 600
  {prog} --dir /tmp/accounts --fault-share 0.2 --latency 300ms

exit code: 0 after ctrl-c or SIGTERM; 64 if an argument, the folder or the
address cannot be used"""


class ArgumentsError(Exception):
    """The command line is not usable; the message says what to change."""


def parse(argv: Sequence[str] | None, *, prog: str) -> argparse.Namespace:
    """Return the arguments.

    Raises:
        ArgumentsError: a flag is unknown, or its value is not accepted.
        SystemExit: the help was printed.
    """
    parser = _parser(prog)
    try:
        args, unknown = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise ArgumentsError(f"{error.argument_name}: {error.message}") from None
    if unknown:
        raise ArgumentsError(
            f"{unknown[0][:_LONGEST_SHOWN]}: unknown option; {prog} --help shows all"
        )
    if args.speed != 1 and not args.live:
        raise ArgumentsError("--speed: only living accounts have a clock; add --live")
    if args.key is not None and args.cert is None:
        raise ArgumentsError("--key: needs the certificate, too; add --cert FILE")
    return args


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(prog=prog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    add = parser.add_argument_group("accounts").add_argument
    add(
        "--dir",
        type=Path,
        metavar="DIR",
        help="write the accounts' auth files into this folder: a new or empty one, or one"
        " that was written by an earlier run, whose files are replaced",
    )
    add(
        "--accounts",
        type=_whole(0, _MOST_ACCOUNTS),
        default=100,
        metavar="N",
        help="how many auth files to write (%(default)s)",
    )
    add(
        "--team-size",
        type=_whole(1, _MOST_ACCOUNTS),
        default=1,
        metavar="N",
        help="how many users share an account id, as members of a team do (%(default)s)",
    )
    add(
        "--seed",
        type=_whole(-(1 << 63), (1 << 63) - 1),
        default=0,
        metavar="N",
        help="other numbers make other accounts (%(default)s)",
    )
    add("--live", action="store_true", help="let usage move with time, as people's does")
    add(
        "--speed",
        type=_number(0.001, _FASTEST),
        default=1.0,
        metavar="X",
        help="with --live: let time pass X times as fast (1); poller stays on real time"
        " and will warn that the clocks differ",
    )
    add = parser.add_argument_group("faults").add_argument
    add(
        "--fault-share",
        type=_number(0, 1),
        default=0.0,
        metavar="S",
        help="share of the accounts in --dir that have a fault, from 0 to 1 (0)",
    )
    add(
        "--fault-mix",
        type=_faults,
        default=FAULT_MIX,
        metavar="F,F,…",
        help="the faults they have, in equal parts (a bad hour's)",
    )
    add("--fault", type=_fault, metavar="F", help="one fault for every request")
    add(
        "--latency",
        type=_duration,
        default=0.0,
        metavar="D",
        help="wait before every response: 200ms, 0.2, 1s",
    )
    add(
        "--surplus",
        action="store_true",
        help="send another account's response after every healthy one",
    )
    add(
        "--clock-offset",
        type=_number(-_TEN_YEARS_S, _TEN_YEARS_S),
        default=0.0,
        metavar="S",
        help="seconds that the Date headers are off (0)",
    )
    add("--list-faults", action="store_true", help="list all faults, and exit")
    add = parser.add_argument_group("server").add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add(
        "--port",
        type=_whole(0, 65_535),
        default=8_787,
        metavar="N",
        help="0 picks a free one (%(default)s)",
    )
    add("--cert", type=Path, metavar="FILE", help="serve https with this certificate chain (PEM)")
    add("--key", type=Path, metavar="FILE", help="its key, unless it is in the same file")
    add(
        "--lean",
        action="store_true",
        help="count requests without times, headers and connections, to save memory",
    )
    return parser


def _whole(low: int, high: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        with contextlib.suppress(ValueError):
            if low <= int(text) <= high:
                return int(text)
        raise argparse.ArgumentTypeError(
            f"expected a whole number from {low} to {high}, got {_quoted(text)}"
        )

    return whole


def _number(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        with contextlib.suppress(ValueError):
            if math.isfinite(float(text)) and low <= float(text) <= high:
                return float(text)
        raise argparse.ArgumentTypeError(
            f"expected a number from {low:g} to {high:g}, got {_quoted(text)}"
        )

    return number


def _duration(text: str) -> float:
    try:
        return duration_s(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _fault(text: str) -> str:
    try:
        fault_of(text)
    except UnknownFaultError as error:
        raise argparse.ArgumentTypeError(f"{error}\n\nthe faults:\n{fault_list()}") from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _faults(text: str) -> tuple[str, ...]:
    return tuple(_fault(name) for name in text.split(","))


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
