"""A folder on a mount that does not answer: ``python -m tests.faults.dead_mount WHERE FOLDER OP``.

A file system in user space (FUSE), spoken to the kernel without a library. It shows the files of
``FOLDER``, and never answers one operation: ``lookup``, ``getattr``, ``open`` or ``read`` of files
whose names begin with ``dead``, or ``opendir``. An operation that is interrupted ends, as on NFS.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = {1: "lookup", 3: "getattr", 14: "open", 15: "read", 27: "opendir"}
_INIT, _READDIR, _INTERRUPT = 26, 28, 36
_UNANSWERED, _DONE = (2, 42), (18, 25, 29)
_ROOT, _DETACH = 1, 2


@contextmanager
def dead_mount(where: Path, folder: Path, operation: str) -> Iterator[None]:
    """Mount it; the test is skipped where that is not possible."""
    if sys.platform != "linux" or os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK):
        pytest.skip("mounting takes root and FUSE")
    command = [sys.executable, "-m", "tests.faults.dead_mount", str(where), str(folder), operation]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        try:
            if (serving.stdout is None) or not serving.stdout.readline():
                pytest.skip("it cannot be mounted here")
            yield
        finally:
            serving.kill()
            ctypes.CDLL(None).umount2(os.fsencode(where), _DETACH)


class _Mount:
    def __init__(self, where: str, folder: str, operation: str) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
        self._nodes = dict(enumerate(self._files, start=2))
        self._operation = operation
        self._kernel = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._kernel},rootmode=40755,user_id={os.getuid()},group_id={os.getgid()}"
        if ctypes.CDLL(None).mount(b"dead", where.encode(), b"fuse", 0, options.encode()) != 0:
            raise SystemExit(1)

    def serve(self) -> None:
        """Answer the kernel until it is unmounted."""
        while True:
            asked = os.read(self._kernel, 1 << 20)
            length, code, number, node = struct.unpack_from("<IIQQ", asked)
            self._take(code, number, node, asked[40:length])

    def _take(self, code: int, number: int, node: int, body: bytes) -> None:
        operation = _NAMES.get(code)
        name = body.rstrip(b"\0").decode() if operation == "lookup" else self._nodes.get(node, "")
        if code == _INTERRUPT:
            self._answer(struct.unpack_from("<Q", body)[0], error=errno.EINTR)
        elif code in _UNANSWERED or (
            operation == self._operation and (name.startswith("dead") or operation == "opendir")
        ):
            return
        elif code == _INIT:
            head = struct.pack("<IIIIHHII", 7, 31, 1 << 16, 0, 12, 10, 1 << 16, 1)
            self._answer(number, head + bytes(32))
        elif operation == "lookup":
            found = next((at for at, each in self._nodes.items() if each == name), None)
            if found is None:
                self._answer(number, error=errno.ENOENT)
            else:
                self._answer(number, struct.pack("<QQQQII", found, *(0,) * 5) + self._status(found))
        elif operation == "getattr":
            self._answer(number, bytes(16) + self._status(node))
        elif operation in ("open", "opendir"):
            self._answer(number, struct.pack("<QII", 1, 0, 0))
        elif operation == "read":
            _, start, size = struct.unpack_from("<QQI", body)
            self._answer(number, self._files[name][start : start + size])
        elif code == _READDIR:
            self._answer(number, self._entries(struct.unpack_from("<QQ", body)[1]))
        else:
            self._answer(number, error=0 if code in _DONE else errno.ENOSYS)

    def _answer(self, number: int, content: bytes = b"", *, error: int = 0) -> None:
        try:
            os.write(self._kernel, struct.pack("<IiQ", 16 + len(content), -error, number) + content)
        except OSError:  # nobody waits for it any more
            return

    def _status(self, node: int) -> bytes:
        mode, size = stat.S_IFDIR | 0o700, 4096
        if node != _ROOT:
            mode, size = stat.S_IFREG | 0o600, len(self._files[self._nodes[node]])
        owner = os.getuid(), os.getgid()
        return struct.pack("<6Q10I", node, size, 8, *(1,) * 6, mode, 1, *owner, 0, 4096, 0)

    def _entries(self, start: int) -> bytes:
        content = b""
        for place, (node, name) in enumerate(self._nodes.items(), start=1):
            if place > start:
                entry = struct.pack("<QQII", node, place, len(name), 8) + name.encode()
                content += entry + bytes(-len(entry) % 8)
        return content


if __name__ == "__main__":
    mount = _Mount(*sys.argv[1:])
    sys.stdout.write("mounted\n")
    sys.stdout.flush()
    mount.serve()
