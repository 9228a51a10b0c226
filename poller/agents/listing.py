"""An agent tells a collector which accounts its machine has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from poller.agents import subjects
from poller.agents.wire import ListedAccount, Listing, encoded
from poller.settings import UsageError

if TYPE_CHECKING:
    from poller.agents.jobs import Jobs
    from poller.agents.link import Link

_FIRST, _AT_ONCE = 50, 500
"""Accounts in one message; 500 are 50 KB."""


async def tell_accounts(link: Link, jobs: Jobs, *, to: str, by: str, name: str) -> None:
    """Tell the run ``to`` this machine's own accounts, the first few at once.

    ``by`` is the process that tells, ``name`` its agent.
    """

    async def tell(*, trouble: str | None = None, is_last: bool = False) -> None:
        listing = Listing(to, by, number, is_last, tuple(some), trouble)
        await link.store(subjects.records(name), encoded(listing), id=os.urandom(16).hex())

    trouble, number, some = None, 0, list[ListedAccount]()
    try:
        async for account in jobs.listing():
            some.append(account)
            if len(some) >= (_AT_ONCE if number else _FIRST):
                await tell()
                number, some = number + 1, []
    except UsageError as error:
        trouble = jobs.without_folders(str(error))
    except Exception as error:  # noqa: BLE001 - the collector is not to wait for it
        trouble = type(error).__name__
    await tell(trouble=trouble, is_last=True)
