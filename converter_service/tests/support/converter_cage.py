"""Programs in the cage, and what became of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from converter_service.adapters.cage.shape import FULL, Cage
from converter_service.adapters.child import CannotBeHeld, Limits, run_child

KINDS = {"read", "write", "network", "signal", "trace", "namespace", "leave"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program ended, and what it said."""

    status: int
    said: bytes
    errors: str


async def run(argv: list[str], cwd: Path, cage: Cage = FULL) -> Ending:
    """Run a program in the cage with `cwd` for its scratch directory."""
    said = b""
    async with run_child(argv, Limits(60), stall_seconds=60, cwd=cwd, cage=cage) as child:
        while piece := await child.read(65_536):
            said += piece
        status = await child.exit_status()
    return Ending(status, said, "\n".join(child.errors))


async def run_python(code: str, cwd: Path, *arguments: str | Path, cage: Cage = FULL) -> Ending:
    """Run Python in the cage; `code` finds the arguments in `sys.argv[1:]`."""
    argv = [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)]
    return await run(argv, cwd, cage)


class FakeMachine:
    """A `Trial` on a kernel with some layers, each of which denies some kinds."""

    def __init__(self, **layers: set[str]) -> None:
        """Have these layers, and no others."""
        self._layers = layers

    async def __call__(self, cage: Cage) -> frozenset[str]:
        """Tell what would be possible; see `Trial`."""
        for layer in cage.layers:
            if layer not in self._layers:
                raise CannotBeHeld(f"{layer}: Function not implemented")
        denied = {kind for layer in cage.layers for kind in self._layers[layer]}
        return frozenset(KINDS - denied)


class FakeKernel:
    """What runs a seccomp filter: classic BPF, as far as filters of system calls need it."""

    def __init__(self, program: list[tuple[int, int, int, int]]) -> None:
        """Install a program."""
        self._program = program

    def decide(self, architecture: int, number: int, *arguments: int) -> int:
        """Give the action for a system call."""
        halves = [half for it in arguments for half in (it & 0xFFFFFFFF, it >> 32)]
        words = [number, architecture, 0, 0, *halves, *[0] * 12]
        position = loaded = 0
        while True:
            code, if_true, if_false, operand = self._program[position]
            position += 1
            match code:
                case 0x20:
                    loaded = words[operand // 4]
                case 0x54:
                    loaded &= operand
                case 0x06:
                    return operand
                case 0x15 | 0x35 | 0x45:
                    holds = {
                        0x15: loaded == operand,
                        0x35: loaded >= operand,
                        0x45: bool(loaded & operand),
                    }[code]
                    position += if_true if holds else if_false
                case _:
                    raise ValueError(code)
