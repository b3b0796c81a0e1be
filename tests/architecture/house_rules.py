"""The house rules that a program can check: where each counts, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import mistakes
from .mistakes import MAX_LINES, Lines, Module

INNER_ROOMS = {"domain", "ports", "use_cases", "wire", "rpc", "worker"}


@dataclass(frozen=True, slots=True)
class Rule:
    """A mistake: where it counts, how it looks, and what to write instead."""

    name: str
    instead: str
    applies: Callable[[Module], bool]
    find: Callable[[Module], Lines]

    def violations(self, module: Module) -> list[str]:
        """Say `file:line: what to write instead` for each place that breaks the rule."""
        if not self.applies(module):
            return []
        return [f"{module.path}:{line}: {self.instead}" for line in self.find(module)]


def _everywhere(_: Module) -> bool:
    return True


def _in_service(module: Module) -> bool:
    return module.is_source and module.path.parts[0].endswith("_service")


RULES = (
    Rule(
        "environment",
        "read the environment in settings.py only, and pass the value as an argument",
        lambda module: (
            module.is_source
            and module.path.name != "settings.py"
            and "tonearm_local" not in module.path.parts
        ),
        mistakes.reads_environment,
    ),
    Rule(
        "clock",
        "take a Clock (tonearm_chassis.clock) as the first argument and ask it",
        lambda module: _in_service(module) and module.room in INNER_ROOMS,
        mistakes.reads_clock,
    ),
    Rule(
        "clock-at-import",
        "ask for the time where it is used, or write down a moment: a suite may run for an hour",
        _everywhere,
        mistakes.reads_clock_at_import,
    ),
    Rule(
        "log-event",
        'log a constant name and fields: log.info("conversion_finished", conversion_id=...)',
        lambda module: module.is_source,
        mistakes.composes_log_event,
    ),
    Rule(
        "mock",
        "write a fake by hand (class FakeX, InMemoryX) and pass it as an argument",
        _everywhere,
        mistakes.patches,
    ),
    Rule(
        "catch-all",
        "catch what the call can raise; what nobody expects is for the chassis to answer and log",
        lambda module: module.is_source and module.path.parts[0] != "chassis",
        mistakes.catches_everything,
    ),
    Rule(
        "vague-name",
        "say what it does in a domain word instead of manager, helper, util or common",
        _everywhere,
        mistakes.names_vaguely,
    ),
    Rule(
        "module-docstring",
        'begin with one line that says what the module is for: """Turn ... into ..."""',
        _everywhere,
        mistakes.lacks_docstring,
    ),
    Rule(
        "module-state",
        "keep state in an object that __main__.py makes and passes; a constant is CAPITALS, not "
        "empty, and never changed",
        lambda module: module.is_source,
        mistakes.keeps_module_state,
    ),
    Rule(
        "length",
        f"split it by the product's verbs: more than {MAX_LINES} lines have more than one purpose",
        lambda module: not module.is_test,
        mistakes.is_long,
    ),
    Rule(
        "sleep",
        "use FakeClock (tonearm_chassis.testing.clock), or wait for the event itself; where a real "
        "server leaves no other way, say so on the line",
        lambda module: (
            module.is_test
            and module.path.parts[0] not in {"tests", "deploy"}
            and "support" not in module.path.parts
        ),
        mistakes.sleeps,
    ),
    Rule(
        "silent-skip",
        'say why: pytest.skip(reason="..."), @pytest.mark.skipif(..., reason="...")',
        _everywhere,
        mistakes.skips_silently,
    ),
    Rule(
        "bare-suppression",
        "say why after the code (# noqa: CODE - reason), or in a comment on the line above",
        _everywhere,
        mistakes.suppresses_without_reason,
    ),
)
