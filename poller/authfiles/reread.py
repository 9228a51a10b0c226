"""Auth files read with patience: again while Codex may be writing one, or a drive is slow.

Apart from ``read.py``: a command that sends no request need not load the event loop.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller.authfiles.read import AuthFile, Reading, read_once
from poller.process.threads import run_in_thread
from poller.values import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.authfiles.read import Account

LOGIN_GONE = Failure(
    FailureKind.NO_CREDENTIALS,
    "the account is no longer in its file",
    "look at the file: its tool has removed or renamed the account",
)


async def read_slowly(
    file: AuthFile, *, clock: Callable[[], float] = time.time, within_s: float
) -> Reading:
    """Read a file in a thread of its own, again while that may help.

    After ``within_s`` seconds a file that does not answer (a dead network drive) is
    ``file_unreadable``. ``clock`` tells Unix seconds.
    """
    with anyio.move_on_after(within_s):
        return await _read_until_settled(file, clock=clock)
    return Reading(no_answer(within_s))


async def reread(account: Account, *, clock: Callable[[], float] = time.time) -> Account:
    """Return the account with what its file says now; one in memory as it is.

    Codex renews tokens by rewriting the file. ``clock`` tells Unix seconds.
    """
    if account.path is None:
        return account
    file = AuthFile(account.label, account.source, account.path)
    logins = (await _read_until_settled(file, clock=clock)).logins
    if isinstance(logins, Failure):
        return account._replace(outcome=logins)
    named = (login.outcome for login in logins if login.name == account.login)
    return account._replace(outcome=next(named, LOGIN_GONE))


async def _read_until_settled(file: AuthFile, *, clock: Callable[[], float]) -> Reading:
    times = 0
    while True:
        now = clock()
        reading = await run_in_thread(partial(read_once, file, now=now), abandon_on_cancel=True)
        if times >= len(reading.waits_s):
            return reading.settled()
        await anyio.sleep(reading.waits_s[times])
        times += 1


def no_answer(within_s: float) -> Failure:
    """Return the failure of a file on a drive that does not answer."""
    return Failure(
        FailureKind.FILE_UNREADABLE,
        f"reading the file took more than {within_s:g} s",
        "check the drive or network mount it is on",
        may_work_later=True,
    )
