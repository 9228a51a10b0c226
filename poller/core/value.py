"""What makes a class a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(*, show: bool = True) -> Callable[[type[T]], type[T]]:
    """Make a class a slotted dataclass that is frozen for type checkers.

    Frozen at run time too, a field costs 1,600 instructions where it costs 300 so, and an
    account on its way has 80 of them (cachegrind). ``show`` off leaves out the ``repr``.
    """
    return dataclass(slots=True, unsafe_hash=True, repr=show)
