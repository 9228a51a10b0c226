"""Who to be at a NATS server: what a file or an address says, as nats-py takes it."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from poller.process.private_files import is_exposed
from poller.settings import UsageError
from poller.settings.addresses import Address
from poller.text import os_error_text, printable

_CREDS_SIZE = 64 * 1024
_SEED_IN_CREDS = re.compile(r"BEGIN USER NKEY SEED-+\s+(\S+)")


def login_in(path: str | None) -> dict[str, Any]:
    """Return how nats-py is told who we are by a file; nothing without one.

    Raises:
        UsageError: it holds nothing of the kind, or others can read it.
    """
    if path is None:
        return {}
    content = _private(path)
    if content.startswith("-----BEGIN"):
        seed = _SEED_IN_CREDS.search(content)
        if seed is not None and "BEGIN NATS USER JWT" in content and _is_seed(seed[1]):
            from nats.aio.client import RawCredentials

            return {"user_credentials": RawCredentials("\n".join(content.splitlines()) + "\n")}
    elif content.startswith("SU") and ":" not in content:
        if _is_seed(content):
            return {"nkeys_seed_str": content}
    else:
        user, colon, password = content.partition(":")
        if colon and user and "\n" not in content:
            return {"user": user, "password": password}
    raise UsageError(
        f"--creds: {printable(path)}: expected a .creds file, an nkey seed (SU...) or user:password"
    )


def _is_seed(text: str) -> bool:
    nkeys: Any = import_module("nkeys")
    try:
        nkeys.from_seed(bytearray(text.encode()))
    except Exception:  # noqa: BLE001 - nkeys', base64's and the cryptography's
        return False
    return True


def without_login(address: str) -> str:
    """Return an address as it may be shown."""
    scheme, _, rest = address.strip().partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def login_of(addresses: list[str]) -> dict[str, Any]:
    """Return the user and password that a URL holds, if one does."""
    from urllib.parse import unquote

    for address in addresses:
        user, colon, password = Address(address.strip()).userinfo.partition(":")
        if colon:
            return {"user": unquote(user), "password": unquote(password)}
        if user:
            return {"token": unquote(user)}
    return {}


def _private(path: str) -> str:
    """Return what a file holds that its owner alone may read."""
    shown = printable(path)
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_CREDS_SIZE)
    except FileNotFoundError:
        raise UsageError(
            "--creds: no such file; expected the name of one that holds user:password or a key, "
            "got another value, not shown as it may be that itself"
        ) from None
    except OSError as error:
        raise UsageError(f"--creds: {shown}: {os_error_text(error)}") from None
    if is_exposed(path, mode):
        raise UsageError(f"--creds: {shown}: others can read or write it: chmod 600 {shown}")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise UsageError(f"--creds: {shown}: not text") from None
