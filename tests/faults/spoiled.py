"""What can lie where an auth file should: each lays one thing at a path."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from poller.simulator.accounts import access_claims, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

    Spoil = Callable[[str, bytes], None]

_MIB = 1 << 20
_CLAIM = "https://api.openai.com/auth"


def _write(path: str, content: bytes, *, mode: int = 0o600) -> None:
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def good(path: str, content: bytes) -> None:
    """Lay the file as it should be."""
    _write(path, content)


def wrote(content: bytes) -> Spoil:
    """Return what lays these bytes."""
    return lambda path, _good: _write(path, content)


def missing(path: str, good: bytes) -> None:
    """Lay nothing."""


def dangling_link(path: str, good: bytes) -> None:
    os.symlink(f"{path}.nowhere", path)


def below_a_file(path: str, good: bytes) -> None:
    os.symlink(f"{__file__}/auth.json", path)


def no_permission(path: str, good: bytes) -> None:
    _write(path, good, mode=0o000)


def link_loop(path: str, good: bytes) -> None:
    os.symlink(path, path)


def read_error(path: str, good: bytes) -> None:
    """Lay a regular file whose first byte cannot be read: nothing is mapped at address 0."""
    os.symlink("/proc/self/mem", path)


def folder(path: str, good: bytes) -> None:
    os.mkdir(path)


def fifo(path: str, good: bytes) -> None:
    os.mkfifo(path, 0o600)


def socket_(path: str, good: bytes) -> None:
    """Bind through a descriptor of the folder: a socket's own path has 107 bytes at most."""
    inside = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{inside}/{os.path.basename(path)}")
    finally:
        os.close(inside)


def device(path: str, good: bytes) -> None:
    os.symlink(os.devnull, path)


def endless(path: str, good: bytes) -> None:
    os.symlink("/dev/zero", path)


def big(path: str, good: bytes) -> None:
    _write(path, good + b" " * (_MIB + 1 - len(good)))


def padded(path: str, good: bytes) -> None:
    _write(path, good + b" " * (_MIB - len(good)))


def empty(path: str, good: bytes) -> None:
    _write(path, b"")


def half(path: str, good: bytes) -> None:
    _write(path, good[: len(good) // 2])


def utf_16(path: str, good: bytes) -> None:
    _write(path, good.decode().encode("utf-16"))


def twice(path: str, good: bytes) -> None:
    _write(path, good + good)


def with_bom(path: str, good: bytes) -> None:
    _write(path, b"\xef\xbb\xbf" + good)


def link_to_good(path: str, good: bytes) -> None:
    target = f"{path}.kept-elsewhere"
    _write(target, good)
    os.symlink(target, path)


def readable_by_others(path: str, good: bytes) -> None:
    _write(path, good, mode=0o644)


def with_keys(**keys: Any) -> Spoil:
    """Return what adds these keys to the file's root, or replaces them."""
    return lambda path, good: _write(path, json.dumps(json.loads(good) | keys).encode())


def with_tokens(**tokens: Any) -> Spoil:
    """Return what replaces these keys of the file's tokens."""

    def spoil(path: str, good: bytes) -> None:
        document = json.loads(good)
        document["tokens"] |= tokens
        _write(path, json.dumps(document).encode())

    return spoil


def with_token(odd: str) -> Spoil:
    """Return what puts these characters into the middle of the access token."""

    def spoil(path: str, good: bytes) -> None:
        token = json.loads(good)["tokens"]["access_token"]
        with_tokens(access_token=f"{token[:-40]}{odd}{token[-40:]}")(path, good)

    return spoil


def with_account_id(odd: str) -> Spoil:
    """Return what makes this the account id."""
    return with_tokens(account_id=odd)


def _reclaimed(token: str, **claims: Any) -> str:
    part = token.split(".")[1]
    old: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return jwt(old | claims)


def without_account_id(path: str, good: bytes) -> None:
    """Take the account id out of the file and out of the claims of both tokens."""
    tokens = json.loads(good)["tokens"]
    unnamed = {name: _reclaimed(tokens[name], **{_CLAIM: {}}) for name in _JWTS}
    with_tokens(account_id=None, **unnamed)(path, good)


def expired(path: str, good: bytes) -> None:
    """Put an access token in that ended an hour ago."""
    claims = access_claims("user-expired", "acct-expired", expires_at=time.time() - 3_600)
    with_tokens(access_token=jwt(claims))(path, good)


_JWTS = ("id_token", "access_token")
