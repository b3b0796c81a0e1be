"""Let one run hold the tests of all distributions, and share them out over several processes.

A test in `auth_service/tests/` is called `auth_service.tests.…` after its path. Unless the package
`auth_service` is known by then, pytest takes the directory itself for that package. The conftest
files of the distributions are loaded before any hook runs, so this happens at import.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parent
# What takes longest begins first, so that nothing is left to wait for at the end.
LONGEST_FIRST = ("tests/resilience", "tests/resilience/simulation", "tests/journeys")
RESILIENCE = "tests/resilience/"
RESILIENCE_SECONDS = 240

for _pyproject in ROOT.glob("*/pyproject.toml"):
    if (_pyproject.parent / "src" / _pyproject.parent.name).is_dir():
        import_module(_pyproject.parent.name)


def group_of(test_id: str) -> str:
    """Name what a test belongs to: where servers are shared a directory, else a file."""
    module = ROOT / test_id.split("::", maxsplit=1)[0]
    shared = (each for each in module.parents if (each / "conftest.py").is_file())
    nearest = next(shared, ROOT)
    return str((module if nearest == ROOT else nearest).relative_to(ROOT))


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """Keeps tests in one process that share a server, which each process would have to start."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    """Share the tests out in groups."""
    return GroupScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest groups begin first; within a group the order stays the random one."""
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(group_of(item.nodeid), len(ranks)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long tests/resilience took; nothing fails by it, for machines are busy."""
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.nodeid.startswith(RESILIENCE)
    ]
    if reports:
        tests = {each.nodeid for each in reports}
        seconds = max(each.stop for each in reports) - min(each.start for each in reports)
        line = f"resilience: {len(tests)} tests within {seconds:.0f} s of {RESILIENCE_SECONDS} s"
        terminalreporter.write_line(line)
