from __future__ import annotations

import time

import pytest

from poller.simulator.clock import SpedUpClock

NOW = 1_790_000_000


def test_it_starts_at_the_time_it_was_given() -> None:
    assert NOW <= SpedUpClock(NOW, speed=1).time() < NOW + 10


@pytest.mark.parametrize("speed", [0.001, 1, 600, 86_400])
def test_time_passes_as_many_times_as_fast(speed: float) -> None:
    began = time.monotonic()
    clock = SpedUpClock(NOW, speed, started_at_s=began - 100)
    told = clock.time()
    assert NOW + 100 * speed <= told <= NOW + (100 + time.monotonic() - began) * speed


def test_it_never_steps_back() -> None:
    clock = SpedUpClock(NOW, speed=600)
    told = [clock.time() for _ in range(1_000)]
    assert told == sorted(told)
