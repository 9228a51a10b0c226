"""The language that people are spoken to in."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.present.words import Words
    from poller.settings import Settings


def language_for(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return ``en`` or ``zh``: as the configuration says, else as the locale does."""
    from poller.present.catalogue import language_of

    return language_of(environ) if settings.language == "auto" else settings.language


def words_for(settings: Settings, environ: Mapping[str, str], *, stream: TextIO) -> Words:
    """Return the words to use on ``stream``."""
    from poller.present.catalogue import words_of
    from poller.present.terminal import traits

    return words_of(language_for(settings, environ), unicode=traits(stream, environ).unicode)
