"""What holds a child beside its limits, as `confine` is told."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
# Programs, shared libraries and where the dynamic linker looks for them; and the source of
# randomness. Nothing else of /etc, and no /proc.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"),
    *("/dev/urandom", "/dev/random", "/dev/zero"),
)
DEVICES = ("/dev/null",)


@dataclass(frozen=True, slots=True)
class Cage:
    """The layers of a cage, and what may be read in it beside programs and their libraries.

    As it stands it has all layers; a weaker one has to be made on purpose. A child that cannot be
    held by each of them does not run.
    """

    layers: tuple[str, ...] = ("landlock", "seccomp")
    readable: tuple[Path, ...] = ()

    def reading(self, *paths: Path) -> Cage:
        """Open more files, or whole directories, for reading."""
        return replace(self, readable=(*self.readable, *paths))

    def with_program(self, program: Path) -> Cage:
        """Let a program be started, and the libraries be read that lie beside its `bin`."""
        directory = program.resolve().parent
        beside = [directory.parent / "lib"] if directory.name == "bin" else []
        return self.reading(program, *beside)

    def arguments(self, program: str, scratch: Path | None) -> list[str]:
        """Write the cage for `confine`: `program` may write below `scratch` only, if anywhere."""
        ours = (PACKAGE_ROOT, Path(sys.prefix), Path(sys.base_prefix))
        readable = dict.fromkeys([*SYSTEM, *map(str, (*ours, *self.readable)), program])
        writable = [*DEVICES, *([str(scratch)] if scratch else [])]
        return [
            *self.layers,
            *(f"read={path}" for path in readable),
            *(f"write={path}" for path in writable),
        ]


FULL = Cage()
