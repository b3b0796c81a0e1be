"""Choose free ports, and choose the same ones the next time if they are still free."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterable
from pathlib import Path

LOWEST, HIGHEST = 20_000, 29_999
"""Below the ports that Linux (32768) and macOS (49152) give to outgoing connections."""


def is_free(port: int) -> bool:
    """Tell whether nobody listens on the port of any local address."""
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - bound for a moment, never listened on
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # Connections that linger in TIME_WAIT do not keep a server from starting.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


class Ports:
    """The ports of one stack, by name, remembered in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._remembered: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        self._chosen: dict[str, int] = {}

    def get(self, name: str) -> int:
        """Return the port of that name: the last one if it is free, otherwise a free one."""
        if name not in self._chosen:
            self._chosen[name] = self._choose(name)
            self._path.write_text(json.dumps(self._remembered | self._chosen, indent=1))
        return self._chosen[name]

    def _choose(self, name: str) -> int:
        remembered = self._remembered.get(name)
        if remembered is not None and is_free(remembered):
            return remembered
        taken = {*self._remembered.values(), *self._chosen.values()}
        return next(port for port in _at_random() if port not in taken and is_free(port))


def _at_random() -> Iterable[int]:
    # Two stacks that start at once must not walk up the same row.
    return random.sample(range(LOWEST, HIGHEST + 1), HIGHEST + 1 - LOWEST)
