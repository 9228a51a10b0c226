"""``poller schema``: the JSON Schema of a record."""

from __future__ import annotations

from importlib.resources import files


def text() -> str:
    """Return the schema as it lies in the package."""
    return files("poller.present").joinpath("record.schema.json").read_text(encoding="utf-8")
