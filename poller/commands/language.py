"""The language that people are spoken to in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.settings import Settings


def language_for(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return ``en`` or ``zh``: as the configuration says, else as the locale does."""
    from poller.present.catalogue import language_of

    return language_of(environ) if settings.language == "auto" else settings.language
