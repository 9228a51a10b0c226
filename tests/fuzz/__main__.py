"""Fuzz on all cores: ``python -m tests.fuzz --answers 1000000 --files 1000000 [--seed N]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from random import SystemRandom
from typing import TYPE_CHECKING, TypeAlias

from tests.fuzz.fuzzing import Figures, fuzz_answers, fuzz_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    Share: TypeAlias = tuple[str, int, str]

_SHARE = 5_000
_SHOWN = 5


def _shares(what: str, count: int, seed: int) -> Iterator[Share]:
    for number, start in enumerate(range(0, count, _SHARE)):
        yield what, min(_SHARE, count - start), f"{seed}:{what}:{number}"


def _fuzz(share: Share) -> tuple[str, Figures]:
    what, count, seed = share
    return what, (fuzz_answers if what == "answers" else fuzz_files)(count, seed)


def _told(figures: Figures) -> dict[str, object]:
    return {
        "inputs": figures.inputs,
        "outcomes": dict(figures.kinds.most_common()),
        "exceptions, and values outside the schema": len(figures.surprises),
        "slowest input, ms of CPU": round(1000 * figures.slowest_s, 1),
        "most memory for an input, MiB": round(figures.most_bytes / (1 << 20), 1),
        "longest hold of the loop, ms of CPU": round(1000 * figures.longest_hold_s, 1),
        "longest record without raw, bytes": figures.longest_record,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    counts = {"answers": args.answers, "files": args.files}
    sums = {what: Figures() for what in counts}
    shares = [share for what in counts for share in _shares(what, counts[what], args.seed)]
    begun_at = time.monotonic()
    cores = os.cpu_count() or 1
    # An executor, not a pool: that one would wait for ever for a worker that crashed.
    with ProcessPoolExecutor(cores) as pool:
        for what, figures in pool.map(_fuzz, shares):
            sums[what].add(figures)
            done = sum(each.inputs for each in sums.values())
            sys.stderr.write(f"\r{done} of {sum(counts.values())}")
    sys.stderr.write("\n")
    told = {what: _told(figures) for what, figures in sums.items()}
    more = {"seed": args.seed, "seconds": round(time.monotonic() - begun_at), "cores": cores}
    sys.stdout.write(f"{json.dumps(told | more, indent=2)}\n")
    surprises = [surprise for figures in sums.values() for surprise in figures.surprises]
    for surprise in surprises[:_SHOWN]:
        sys.stdout.write(f"{surprise[:4000]}\n")
    sys.exit(bool(surprises))


if __name__ == "__main__":
    main()
