"""What a service tells the systemd that started it (``sd_notify(3)``)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = "NOTIFY_SOCKET"


def tell_systemd(state: str, *, environ: Mapping[str, str]) -> bool:
    """Send ``state``, such as ``READY=1``; return whether systemd listens."""
    address = environ.get(_VARIABLE, "")
    if address[:1] not in ("/", "@"):
        return False
    if address.startswith("@"):  # an abstract name
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), address)
    except (OSError, AttributeError):  # nobody there; no such sockets on this system
        return False
    return True
