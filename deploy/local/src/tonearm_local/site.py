"""Where a stack lives: the files below its data directory, its ports and its secrets."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from tonearm_local.ports import Ports
from tonearm_local.private import write_private


@dataclass(frozen=True, slots=True)
class Directory:
    """The data directory of a stack; `root` is absolute and free of symbolic links."""

    root: Path

    @classmethod
    def prepared(cls, path: Path) -> Directory:
        """Make the directories that a stack expects; what is there already stays."""
        directory = cls(path.resolve())
        directory.root.mkdir(parents=True, exist_ok=True)
        directory.root.chmod(0o700)
        for place in (directory.logs, directory.run, directory.mailbox, directory.scratch):
            place.mkdir(exist_ok=True)
        return directory

    @property
    def logs(self) -> Path:
        """One log file a part."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """What is written anew by every start."""
        return self.root / "run"

    @property
    def mailbox(self) -> Path:
        """The mails that were sent, a file each."""
        return self.root / "mailbox"

    @property
    def scratch(self) -> Path:
        """Where converters keep unfinished files."""
        return self.root / "scratch"

    @property
    def lock(self) -> Path:
        """Held by whoever starts or stops the stack."""
        return self.root / "lock"

    @property
    def blueprint(self) -> Path:
        """What was started: parts, addresses, secrets."""
        return self.run / "blueprint.json"

    @property
    def ports(self) -> Path:
        """The ports of the last start."""
        return self.root / "ports.json"

    @property
    def secrets(self) -> Path:
        """The secrets of this data directory."""
        return self.root / "secrets.json"

    @property
    def account(self) -> Path:
        """The ready account's credentials."""
        return self.root / "account.json"

    def log_of(self, part: str) -> Path:
        """Name the log file of a part."""
        return self.logs / f"{part}.log"


class Secrets:
    """The secrets of one data directory, generated when they are first asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str) -> str:
        """Return a secret of 256 random bits that is the same ever after."""
        if name not in self._values:
            self._values[name] = secrets.token_hex(32)
            write_private(self._path, json.dumps(self._values, indent=1))
        return self._values[name]


@dataclass(frozen=True, slots=True)
class Site:
    """All that a blueprint is drawn from."""

    directory: Directory
    ports: Ports
    secrets: Secrets
