"""Choose the cage of this machine by trying to get out of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from converter_service.adapters.cage import attempts
from converter_service.adapters.cage.shape import FULL, Cage
from converter_service.adapters.child import CannotBeHeld, Limits, run_child
from converter_service.domain import EngineFailure
from converter_service.ports import Workshop
from tonearm_chassis.logs import get_log

log = get_log(__name__)

# What nothing may do in a cage: kinds of `attempts`.
KINDS = ("read", "write", "network", "signal", "trace", "namespace", "leave")
# Strongest first.
CANDIDATES = (FULL, Cage(("landlock",)), Cage(("seccomp",)), Cage(()))
PATIENCE_SECONDS = 60.0
ANSWER_BYTES = 4096

Trial = Callable[[Cage], Awaitable[frozenset[str]]]


class CageTooWeak(Exception):
    """This machine cannot deny all that was asked for."""


def trial_in(workshop: Workshop) -> Trial:
    """Give the trial of a cage: a child in it tries to get at another one's workplace.

    Tells which kinds of attempt worked. Raises `CannotBeHeld` if the kernel has no such cage, and
    `EngineFailure` if the attempts did not end.
    """

    async def escape(cage: Cage) -> frozenset[str]:
        async with workshop.open() as own, workshop.open() as other:
            other.video.touch()
            argv = [sys.executable, "-I", "-S", attempts.__file__, str(other.video.parent)]
            limits = Limits(PATIENCE_SECONDS)
            async with run_child(
                argv, limits, stall_seconds=PATIENCE_SECONDS, cwd=own.video.parent, cage=cage
            ) as child:
                answer = await child.read(ANSWER_BYTES)
                status = await child.exit_status()
        if status != 0:
            raise EngineFailure(f"attempts ended with {status}: {' '.join(child.errors)}")
        return frozenset(json.loads(answer))

    return escape


@dataclass(frozen=True, slots=True)
class Verdict:
    """The strongest cage there is, what it denies and lacks, and why none is stronger."""

    cage: Cage
    denies: tuple[str, ...]
    lacks: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def strength(self) -> Literal["full", "partial", "none"]:
        """Say it in a word."""
        if not self.lacks:
            return "full"
        return "partial" if self.denies else "none"


async def weigh(trial: Trial) -> Verdict:
    """Find the strongest cage there is. Raises `EngineFailure` if no child can be started."""
    causes: dict[str, None] = {}
    for cage in CANDIDATES:
        try:
            possible = await trial(cage)
        except CannotBeHeld as failure:
            causes[str(failure)] = None
            continue
        return Verdict(
            cage,
            denies=tuple(kind for kind in KINDS if kind not in possible),
            lacks=tuple(kind for kind in KINDS if kind in possible),
            causes=tuple(causes),
        )
    raise EngineFailure("; ".join(causes))


async def choose_cage(wanted: Literal["auto", "full"], trial: Trial) -> Cage:
    """Choose the strongest cage there is, and log what it denies and what it lacks.

    Raises `CageTooWeak` if all is wanted and something is lacking. Raises `EngineFailure` if no
    child can be started at all.
    """
    verdict = await weigh(trial)
    lacks, causes = list(verdict.lacks), list(verdict.causes)
    log.info(
        "cage_chosen",
        cage=verdict.strength,
        layers=list(verdict.cage.layers),
        denies=list(verdict.denies),
    )
    if lacks and wanted == "full":
        log.error("cage_too_weak", lacks=lacks, causes=causes)
        raise CageTooWeak(f"a child could: {', '.join(lacks)}")
    if lacks:
        log.warning("cage_is_weak", lacks=lacks, causes=causes)
    return verdict.cage
