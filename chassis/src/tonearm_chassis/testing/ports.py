"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket

# Below what Linux (from 32768) and macOS (from 49152) give to outgoing connections, and beside what
# the local stack takes (from 20000). A server that is away for a while must find its port unused:
# one from the system's own range may be some client's by then.
PORTS = range(10_000, 20_000)


def free_port() -> int:
    """Choose a port, at random, that nobody listens on. Raises `OSError` if none is left."""
    for port in random.sample(PORTS, len(PORTS)):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise OSError("all ports are taken")
