"""A file that nobody may open, and an address that nobody may call."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

IN_OPEN, IN_NONBLOCK = 0x20, 0o4000
EVENT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Trap:
    """Knows whether the file was opened, by any process, and whether somebody called."""

    file: Path
    opened: int
    calls: socket.socket
    datagrams: socket.socket

    @property
    def address(self) -> str:
        """Tell where to call: host:port, over TCP and UDP."""
        host, port = self.calls.getsockname()
        return f"{host}:{port}"

    def sprung(self) -> list[str]:
        """List what happened since it was last asked."""
        found = []
        try:
            events = os.read(self.opened, EVENT_BYTES)
            if struct.unpack_from("iI", events)[1] & IN_OPEN:
                found.append(f"opened {self.file.name}")
        except BlockingIOError:
            pass
        try:
            self.calls.accept()[0].close()
            found.append("connected")
        except BlockingIOError:
            pass
        try:
            self.datagrams.recv(1)
            found.append("sent a datagram")
        except BlockingIOError:
            pass
        return found


@contextmanager
def trap(file: Path) -> Iterator[Trap]:
    """Set the trap."""
    libc = ctypes.CDLL(None, use_errno=True)
    opened = libc.inotify_init1(IN_NONBLOCK)
    if opened < 0 or libc.inotify_add_watch(opened, os.fsencode(file), IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    with (
        socket.create_server(("127.0.0.1", 0)) as calls,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(calls.getsockname())
        calls.settimeout(0)
        datagrams.settimeout(0)
        yield Trap(file, opened, calls, datagrams)
    os.close(opened)
