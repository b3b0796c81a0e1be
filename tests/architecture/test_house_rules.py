"""Hold every module to the house rules, and every rule to its promise."""

from __future__ import annotations

import pytest

from .house_rules import RULES, Rule
from .mistakes import MAX_LINES, Module
from .tree import ROOT, python_files

USE_CASE = "gateway_service/src/gateway_service/use_cases.py"
SETTINGS = "gateway_service/src/gateway_service/settings.py"
UNIT_TEST = "gateway_service/tests/test_rpc.py"
JOURNEY = "tests/journeys/test_page.py"
CHASSIS = "chassis/src/tonearm_chassis/interceptors.py"

BROKEN = [
    ("environment", USE_CASE, "import os\nos.environ['HOME']"),
    ("environment", USE_CASE, "from os import getenv"),
    ("clock", USE_CASE, "datetime.now(UTC)"),
    ("clock", USE_CASE, "datetime.datetime.now()"),
    ("clock", USE_CASE, "time.monotonic()"),
    ("clock", USE_CASE.replace("use_cases", "use_cases/upload"), "time.time()"),
    ("clock-at-import", UNIT_TEST, "CLAIMS = {'exp': time.time() + 600}"),
    ("clock-at-import", UNIT_TEST, "@parametrize('at', [time.time()])\ndef test_it(at): ..."),
    ("log-event", USE_CASE, "log.info(f'finished {conversion}')"),
    ("log-event", USE_CASE, "self._log.warning('finished ' + conversion)"),
    ("log-event", USE_CASE, "log.error('A sentence with spaces')"),
    ("mock", UNIT_TEST, "from unittest.mock import patch"),
    ("mock", UNIT_TEST, "from unittest import mock"),
    ("mock", UNIT_TEST, "def test_it(mocker): ..."),
    ("catch-all", USE_CASE, "try: ...\nexcept Exception: ..."),
    ("catch-all", USE_CASE, "try: ...\nexcept (ValueError, BaseException): ..."),
    ("catch-all", USE_CASE, "try: ...\nexcept: ..."),
    ("vague-name", USE_CASE, "class UploadManager: ..."),
    ("vague-name", USE_CASE, "def upload_helper(): ..."),
    ("vague-name", "auth_service/src/auth_service/utils.py", "'''Do.'''"),
    ("module-docstring", USE_CASE, "x = 1"),
    ("module-state", USE_CASE, "cache = {1: 2}"),
    ("module-state", USE_CASE, "CACHE: dict[str, str] = {}"),
    ("module-state", USE_CASE, "CACHE = defaultdict(list)\ndef f(): CACHE['a'] = 1"),
    ("module-state", USE_CASE, "CACHE = [1]\ndef f(): CACHE.append(2)"),
    ("module-state", USE_CASE, "def f():\n    global count\n    count = 1"),
    ("length", USE_CASE, "x = 1\n" * (MAX_LINES + 1)),
    ("sleep", UNIT_TEST, "asyncio.sleep(0.1)"),
    ("sleep", UNIT_TEST, "time.sleep(delay)"),
    ("silent-skip", JOURNEY, "pytest.skip()"),
    ("silent-skip", JOURNEY, "@pytest.mark.skipif(True)\ndef test_it(): ..."),
    ("silent-skip", JOURNEY, "@pytest.mark.skip\ndef test_it(): ..."),
    ("bare-suppression", USE_CASE, "x = 1  # noqa" + ": ANN401"),
    ("bare-suppression", USE_CASE, "x = 1  # type" + ": ignore[misc]"),
]  # fmt: skip

KEPT = [
    ("environment", SETTINGS, "import os\nos.environ['HOME']"),
    ("clock", USE_CASE, "self._clock.now()"),
    ("clock", "gateway_service/src/gateway_service/adapters/gridfs.py", "time.monotonic()"),
    ("clock-at-import", UNIT_TEST, "def test_it():\n    now = time.time()"),
    ("clock-at-import", UNIT_TEST, "now = lambda: time.time()"),
    ("log-event", USE_CASE, "log.info('conversion_finished', conversion_id=conversion.id)"),
    ("catch-all", USE_CASE, "try: ...\nexcept UnknownVideo: ..."),
    ("catch-all", USE_CASE, "try: ...\nexcept BaseException:\n    undo()\n    raise"),
    ("catch-all", CHASSIS, "try: ...\nexcept Exception: ..."),
    ("vague-name", USE_CASE, "class CommonsLicence: ..."),
    ("module-docstring", USE_CASE, "'''Accept a video.'''"),
    ("module-state", USE_CASE, "TABLE = {1: 2}\ndef f():\n    cache = {}\n    cache[1] = TABLE[1]"),
    ("module-state", USE_CASE, "TABLE: StatusTable = {}"),
    ("module-state", USE_CASE, "__all__ = ['f']"),
    ("length", USE_CASE, "x = 1\n" * MAX_LINES),
    ("sleep", UNIT_TEST, "asyncio.sleep(0)"),
    ("sleep", JOURNEY, "time.sleep(0.1)"),
    ("sleep", UNIT_TEST, "time.sleep(1)  # the broker alone knows when it forgets a member"),
    ("vague-name", UNIT_TEST, "def test_every_common_kind_of_video_is_taken(): ..."),
    ("silent-skip", JOURNEY, "pytest.skip(reason='why')"),
    ("silent-skip", JOURNEY, "pytest.skip('why')"),
    ("bare-suppression", USE_CASE, "x = 1  # noqa" + ": ANN401 - the driver has no types"),
    ("bare-suppression", USE_CASE, "x = 1  # type" + ": ignore[misc]  # the stubs lag behind"),
]  # fmt: skip


def named(name: str) -> Rule:
    """Find a rule."""
    return next(rule for rule in RULES if rule.name == name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    modules = [Module.parse(path, (ROOT / path).read_text("utf-8")) for path in python_files()]

    violations = [line for module in modules for line in rule.violations(module)]

    assert not violations, "\n" + "\n".join(violations)


@pytest.mark.parametrize(("name", "path", "text"), BROKEN)
def test_a_rule_fires_and_says_what_to_write_instead(name: str, path: str, text: str) -> None:
    rule = named(name)

    violations = rule.violations(Module.parse(path, text))

    assert violations
    assert all(rule.instead in violation for violation in violations)


@pytest.mark.parametrize(("name", "path", "text"), KEPT)
def test_a_rule_leaves_the_alternative_alone(name: str, path: str, text: str) -> None:
    assert named(name).violations(Module.parse(path, text)) == []


def test_every_rule_has_been_seen_to_fire() -> None:
    assert {name for name, _, _ in BROKEN} == {rule.name for rule in RULES}
