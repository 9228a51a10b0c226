"""Values whose ``__init__`` writes to their slots are frozen dataclasses like any other."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from inspect import signature
from typing import Any

import pytest

from poller import values
from poller.slots import stores_in_slots

MADE_ANEW = [
    value
    for value in vars(values).values()
    if isinstance(value, type) and "__dataclass_fields__" in vars(value)
]


@stores_in_slots
@dataclass(frozen=True, slots=True)
class Point:
    across: int
    up: int = 2


@pytest.mark.parametrize("point", [Point(1), Point(across=1), Point(1, 2), Point(up=2, across=1)])
def test_it_takes_what_a_dataclass_takes(point: Point) -> None:
    assert (point.across, point.up) == (1, 2)
    assert repr(point) == "Point(across=1, up=2)"
    assert point == Point(1)
    assert hash(point) == hash(Point(1))
    assert replace(point, up=3) == Point(1, 3)
    assert pickle.loads(pickle.dumps(point)) == point


@pytest.mark.parametrize("arguments", [(), (1, 2, 3)])
def test_it_refuses_what_a_dataclass_refuses(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
        Point(*arguments)


def test_it_stays_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(Point(1), "up", 3)  # noqa: B010 - a type checker refuses the assignment


@pytest.mark.parametrize("value", MADE_ANEW)
def test_every_value_takes_its_fields_in_their_order(value: Any) -> None:
    assert list(signature(value).parameters) == [field.name for field in fields(value)]
    made = value(*range(len(fields(value))))
    assert [getattr(made, field.name) for field in fields(value)] == list(range(len(fields(value))))
