"""Whether a failed account is retried, and after how long: tenacity decides.

Entered only after a first attempt has failed, so that success costs nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tenacity import DoSleep, RetryCallState, Retrying, wait_random_exponential

from poller.polling.policy import BACKOFF_LIMIT_S, BACKOFF_S, THROTTLED_BACKOFF_S
from poller.values import Failure, Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from poller.polling.parts import Outcome

    MayRetry: TypeAlias = Callable[[Failure, int, float], bool]

_RETRY_AFTER_JITTER_S = 0.15
"""Spreads accounts that were told to wait equally long."""


async def persist(
    first: Failure,
    again: Callable[[], Awaitable[Outcome]],
    *,
    may_retry: MayRetry,
    sleep: Callable[[float], Awaitable[None]],
) -> Outcome:
    """Retry after ``first`` until there is an answer or no more retry; return the last outcome.

    ``may_retry`` is asked with the failure, the attempts so far and the seconds to wait,
    just before each wait.
    """
    # Stepped from here, as the library's own loops do. Its asyncio loop inspects every
    # function each time it calls one, a fifth of what a retry costs.
    _RETRYING.begin()
    state = RetryCallState(_RETRYING, fn=None, args=(may_retry,), kwargs={})
    state.set_result(first)
    while isinstance(next_step := _RETRYING.iter(state), DoSleep):
        state.prepare_for_next_attempt()
        await sleep(next_step)
        state.set_result(await again())
    return _outcome(state)


def _outcome(state: RetryCallState) -> Outcome:
    if state.outcome is None:
        raise AssertionError("tenacity asks only after an attempt")
    result: Outcome = state.outcome.result()
    return result


def _ends(state: RetryCallState) -> bool:
    failure, may_retry = _outcome(state), state.args[0]
    return not (
        isinstance(failure, Failure)
        and may_retry(failure, state.attempt_number, state.upcoming_sleep)
    )


_transient = wait_random_exponential(multiplier=BACKOFF_S, max=BACKOFF_LIMIT_S)
_throttled = wait_random_exponential(multiplier=THROTTLED_BACKOFF_S, max=BACKOFF_LIMIT_S)
_spread = wait_random_exponential(multiplier=_RETRY_AFTER_JITTER_S, max=_RETRY_AFTER_JITTER_S)


def _wait_s(state: RetryCallState) -> float:
    """Return a wait with full jitter, or what the upstream asked for and a little more."""
    failure = _outcome(state)
    if not isinstance(failure, Failure):
        return 0.0
    if failure.retry_after_s is not None:
        return failure.retry_after_s + _spread(state)
    return (_throttled if failure.retry_now is Retry.THROTTLED else _transient)(state)


_RETRYING = Retrying(
    retry=lambda state: isinstance(_outcome(state), Failure),
    wait=_wait_s,
    stop=_ends,
    retry_error_callback=_outcome,
)
"""Shared by all accounts: an account's own is in its state, and no step awaits."""
