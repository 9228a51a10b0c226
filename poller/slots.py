"""Make frozen values in half the time; an account takes eight of them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def stores_in_slots(value: type[T]) -> type[T]:
    """Have a frozen dataclass with slots write to its slots when it is made.

    The ``__init__`` that it has calls ``object.__setattr__`` for each field, since its own
    refuses; this one takes the same arguments. A field's default is a value, not a factory.
    """
    made: Any = value
    names: dict[str, Any] = {}
    arguments: list[str] = []
    stores: list[str] = []
    for field in fields(made):
        names[f"store_{field.name}"] = getattr(made, field.name).__set__
        names[f"default_{field.name}"] = field.default
        has_default = field.default is not MISSING
        arguments.append(field.name + (f"=default_{field.name}" if has_default else ""))
        stores.append(f"store_{field.name}(self, {field.name})")
    source = f"def __init__(self, {', '.join(arguments)}):\n " + "\n ".join(stores)
    exec(source, names)  # noqa: S102 - our own field names, as dataclasses does it
    made.__init__ = names["__init__"]
    made.__init__.__qualname__ = f"{made.__qualname__}.__init__"
    return value
