"""Make frozen values in half the time; an account takes ten of them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def stores_in_slots(value: type[T]) -> type[T]:
    """Have a frozen dataclass with slots store its fields by plain assignment when it is made.

    The ``__init__`` that it has calls ``object.__setattr__`` for each field, since its own
    refuses. This one takes the same arguments; while it runs, the value is of a class with the
    same slots that is not frozen. A field's default is a value, not a factory.
    """
    made: Any = value
    unfrozen = type(value.__name__, (), {"__slots__": made.__slots__})
    names: dict[str, Any] = {
        "set_class": object.__dict__["__class__"].__set__,
        "unfrozen": unfrozen,
        "frozen": value,
    }
    arguments: list[str] = []
    for field in fields(made):
        names[f"default_{field.name}"] = field.default
        has_default = field.default is not MISSING
        arguments.append(field.name + (f"=default_{field.name}" if has_default else ""))
    lines = [
        f"def __init__(self, {', '.join(arguments)}):",
        "set_class(self, unfrozen)",
        *(f"self.{field.name} = {field.name}" for field in fields(made)),
        "self.__class__ = frozen",
    ]
    exec("\n ".join(lines), names)  # noqa: S102 - our own field names, as dataclasses does it
    made.__init__ = names["__init__"]
    made.__init__.__qualname__ = f"{made.__qualname__}.__init__"
    return value
