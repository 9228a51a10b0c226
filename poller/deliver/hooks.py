"""Programs that are run when an alert is told.

A hook is no shell's: its words are passed as they are. It is its own process group, so
that all it started can be ended with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from poller.deliver.delivery import Delivery, DeliveryResult, failed
from poller.text import os_error_text, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOOK_S = 10.0
_TERM_S, _TERM_ON_LEAVING_S = 2.0, 0.3
"""What a hook gets to end well; less where this program was told to end itself."""
_LOOK_S = 0.02


async def run_hook(
    words: Sequence[str],
    given: bytes,
    *,
    environ: Mapping[str, str],
    within_s: float = HOOK_S,
) -> Delivery:
    """Run a program with ``given`` on standard input; what it prints goes nowhere.

    After ``within_s`` its whole group is ended. Raises nothing but cancellation, which ends
    it as well.
    """
    program = printable(words[0])
    own_group = hasattr(os, "killpg")
    nowhere = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=nowhere,
            stderr=nowhere,
            env=environ,
            start_new_session=own_group,
        )
    except (OSError, ValueError) as error:
        why = os_error_text(error) if isinstance(error, OSError) else "not a program's name"
        return failed(f"{program}: {why}")
    try:
        with anyio.move_on_after(within_s):
            await process.communicate(given)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _end(process, own_group=own_group, within_s=_TERM_ON_LEAVING_S)
        raise
    if process.returncode is None:
        await _end(process, own_group=own_group, within_s=_TERM_S)
        why = f"{program}: it ran longer than {within_s:g} s and was ended"
        return Delivery(DeliveryResult.ENDED, why)
    if process.returncode != 0:
        return failed(f"{program}: it exited with {process.returncode}", again=True)
    return Delivery(DeliveryResult.DELIVERED)


async def _end(process: asyncio.subprocess.Process, *, own_group: bool, within_s: float) -> None:
    """End a process and all that it started, also where it has ended itself by then."""
    if not own_group:
        with suppress(ProcessLookupError):
            process.kill()
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        with anyio.move_on_after(within_s):
            while True:  # nobody tells when a group is empty
                os.killpg(process.pid, 0)
                await anyio.sleep(_LOOK_S)
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(within_s):
        await process.wait()
