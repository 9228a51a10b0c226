"""Modules that are loaded late, and what they must not do meanwhile."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_CA_BUNDLE, _KEY_LOG = "SSL_CERT_FILE", "SSLKEYLOGFILE"
"""Where OpenSSL looks for the system's certificates, and where it logs the keys of connections."""


def import_without_certificates(name: str) -> ModuleType:
    """Import a module, and keep the HTTP library from reading the system's certificates.

    It does so on import, 65 ms, for connections of its own that are never made here: ours
    are verified with what upstream.exchange reads. It would also fail there, where the keys
    of connections cannot be logged; upstream.exchange says so in words.
    """
    from importlib import import_module  # the help needs it as little

    before = {each: os.environ.pop(each, None) for each in (_CA_BUNDLE, _KEY_LOG)}
    os.environ[_CA_BUNDLE] = os.devnull
    try:
        return import_module(name)
    finally:
        del os.environ[_CA_BUNDLE]
        os.environ.update({each: value for each, value in before.items() if value is not None})
