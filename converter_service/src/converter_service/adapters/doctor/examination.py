"""Look at everything, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from converter_service.adapters.cage.choice import Trial, Verdict, weigh
from converter_service.adapters.cage.shape import FULL
from converter_service.adapters.doctor import machine
from converter_service.adapters.doctor.findings import Finding, Level, Report
from converter_service.adapters.doctor.machine import Machine
from converter_service.adapters.doctor.program import Program, look_at, measure
from converter_service.adapters.ffmpeg import find_ffmpeg
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import EngineFailure, Refusal
from tonearm_chassis.clock import Clock
from tonearm_chassis.errors import Outage


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker would be started with."""

    ffmpeg: str
    cage: Literal["auto", "full"]
    cores: int
    encoders: int
    slots: int


@dataclass(frozen=True, slots=True)
class Doctor:
    """Examines this machine for a worker."""

    plan: Plan
    workshop: ScratchWorkshop
    trial: Trial
    clock: Clock
    machine: Machine

    async def examine(self) -> Report:
        """Look at everything; what cannot be looked at is a finding, too."""
        return Report(tuple([each async for each in self._findings()]))

    async def _findings(self) -> AsyncIterator[Finding]:
        plan = self.plan
        yield machine.python()
        yield machine.kernel()
        yield machine.processors(self.machine, plan.cores, plan.encoders)
        yield machine.memory(self.machine, plan.slots)
        for found in machine.scratch(self.workshop.home, plan.slots):
            yield found
        try:
            verdict = await weigh(self.trial)
        except EngineFailure as failure:
            yield Finding("cage", Level.UNUSABLE, f"no child can be started: {failure}")
            return
        yield _cage(verdict, plan.cage)
        async for found in self._engine(verdict):
            yield found

    async def _engine(self, verdict: Verdict) -> AsyncIterator[Finding]:
        chosen_by = self.plan.ffmpeg or "auto"
        try:
            program = Program(find_ffmpeg(self.plan.ffmpeg), chosen_by, verdict.cage)
            for found in look_at(program):
                yield found
            yield await measure(program, self.workshop, self.clock, self.plan.encoders)
        except (EngineFailure, Refusal, Outage) as failure:
            text = f"FFMPEG={chosen_by} does not convert: {str(failure) or type(failure).__name__}"
            yield Finding("engine", Level.UNUSABLE, text)


def _cage(verdict: Verdict, wanted: Literal["auto", "full"]) -> Finding:
    facts = {
        "strength": verdict.strength,
        "layers": list(verdict.cage.layers),
        "denies": list(verdict.denies),
        "lacks": list(verdict.lacks),
        "causes": list(verdict.causes),
    }
    if not verdict.lacks:
        text = f"full: {' and '.join(FULL.layers)} deny all that was tried"
        return Finding("cage", Level.OK, text, facts)
    causes = "; ".join(verdict.causes) or "the kernel's rules do not cover it"
    text = f"{verdict.strength}: a child could {', '.join(verdict.lacks)} ({causes})"
    if wanted == "full":
        return Finding("cage", Level.UNUSABLE, f"{text}; CAGE=full does not start", facts)
    return Finding("cage", Level.WARNING, text, facts)
