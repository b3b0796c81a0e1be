"""Let one run hold the tests of all distributions, and share them out over several processes.

A test in `auth_service/tests/` is called `auth_service.tests.…` after its path. Unless the package
`auth_service` is known by then, pytest takes the directory itself for that package. The conftest
files of the distributions are loaded before any hook runs, so this happens at import.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
# What takes longest begins first, so that nothing is left to wait for at the end.
LONGEST_FIRST = ("tests/resilience", "tests/journeys", "tests/resilience/simulation")
RESILIENCE = "tests/resilience/"
RESILIENCE_SECONDS = 240

for _pyproject in ROOT.glob("*/pyproject.toml"):
    if (_pyproject.parent / "src" / _pyproject.parent.name).is_dir():
        import_module(_pyproject.parent.name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests in one process that share a server, which each process would have to start."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    # Stable: within a group the order stays the random one.
    items.sort(key=lambda item: ranks.get(_group(item.path), len(ranks)))


def _group(test: Path) -> str:
    """Name what a test belongs to: where servers are shared a directory, else a file."""
    shared = (each for each in test.parents if (each / "conftest.py").is_file())
    nearest = next(shared, ROOT)
    return str((test if nearest == ROOT else nearest).relative_to(ROOT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of its time tests/resilience took; nothing fails by it: machines are busy."""
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.nodeid.startswith(RESILIENCE)
    ]
    if reports:
        tests, seconds = {each.nodeid for each in reports}, sum(each.duration for each in reports)
        line = f"resilience: {len(tests)} tests, {seconds:.0f} s of {RESILIENCE_SECONDS} s"
        terminalreporter.write_line(line)
