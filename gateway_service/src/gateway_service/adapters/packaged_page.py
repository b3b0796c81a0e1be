"""Read the web page out of this package."""

from __future__ import annotations

from importlib import resources

from gateway_service.domain import UnknownAsset
from gateway_service.ports import Asset

INDEX = "index.html"
# Spelled out, since the system's own table of types differs from machine to machine.
CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class PackagedPage:
    """A `Page` whose files are read once and kept, for they are small and few."""

    def __init__(self) -> None:
        """Read all files of a known type."""
        folder = resources.files("gateway_service") / "page"
        self._assets = {
            entry.name: Asset(CONTENT_TYPES[extension], entry.read_bytes())
            for entry in folder.iterdir()
            if (extension := entry.name.rpartition(".")[2]) in CONTENT_TYPES
        }

    def asset(self, name: str) -> Asset:
        """Look a file up by its whole name; there are no directories to climb out of."""
        found = self._assets.get(name or INDEX)
        if found is None:
            message = "the page has no such file"
            raise UnknownAsset(message)
        return found
