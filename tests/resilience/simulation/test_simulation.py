"""Run a few thousand schedules, and see that what they find can be found again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from .guard_table import GUARDS, Guard
from .guards import DISTRIBUTIONS, QUICK_SCHEDULES, Copy

ROOT = Path(__file__).parents[3]
SCHEDULES = 2000
STORE_SUITES = (
    "chassis/tests/test_outbox.py",
    "gateway_service/tests/test_conversion_store.py",
    "gateway_service/tests/test_ledger.py",
    "converter_service/tests/test_claim_store.py",
    "converter_service/tests/test_give_ups.py",
    "converter_service/tests/test_losses.py",
    "converter_service/tests/test_tombstones.py",
    "notifier_service/tests/test_delivery_store.py",
    "notifier_service/tests/test_webhook_store.py",
)


def run(arguments: Sequence[str], path: str = "") -> tuple[int, str]:
    """Run a module in a process of its own: it replaces chance, logs and the event loop."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.timeout(1200)
def test_no_schedule_breaks_the_guarantee() -> None:
    processes = str(min(2, os.cpu_count() or 1))

    status, said = run([__package__ or "", "--schedules", str(SCHEDULES), "--processes", processes])

    if status != 0:
        pytest.fail(said, pytrace=False)
    assert "broken=0" in said


@pytest.mark.timeout(600)
def test_a_seed_that_fails_fails_again_in_the_very_same_way(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    guard = next(each for each in GUARDS if each.name == "dedupe: an order that is over")
    copy.switch_off(guard)
    path = os.pathsep.join(str(tmp_path / name / "src") for name in DISTRIBUTIONS)
    arguments = [__package__ or "", "--schedules", "250", "--seed", "3", "--no-shrink"]

    first, again = run(arguments, path), run(arguments, path)

    assert first[0] == 1
    assert "Again: make simulate SEED=3" in first[1]
    assert "state.teardown()" in first[1] or "state.build(" in first[1]
    assert first == again


@pytest.mark.timeout(600)
def test_the_suites_of_the_stores_pass_over_the_simulated_store() -> None:
    plugins = ["-p", f"{__package__}.contract_plugin", "-p", "no:cacheprovider"]

    status, said = run(["pytest", "-q", *plugins, "-k", "mongo or mongodb", *STORE_SUITES])

    if status != 0:
        pytest.fail(said, pytrace=False)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "guard", [guard for guard in GUARDS if guard.is_quick], ids=lambda it: it.name
)
def test_the_suite_goes_red_without(guard: Guard, copy: Copy) -> None:
    verdict = copy.verdict(guard, QUICK_SCHEDULES)

    assert verdict.is_red, verdict.says


def test_every_guard_can_be_switched_off() -> None:
    texts = {guard.file: (ROOT / guard.file).read_text("utf-8") for guard in GUARDS}

    missing = [guard.name for guard in GUARDS if texts[guard.file].count(guard.line) != 1]

    assert not missing, "the line that keeps the guarantee has changed: change the table, too"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The packages, to be broken."""
    return Copy(tmp_path_factory.mktemp("guards"))
