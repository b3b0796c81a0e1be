"""Switch the guards off one at a time, in a copy, and see that a suite goes red for every one.

`python -m tests.resilience.simulation.guards`. The checkout is never touched: the packages are
copied to a temporary directory, one line of a copy is changed, and the copy comes first on the
path. A suite that stays green, and a line that is not there any more, are findings.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .guard_table import GUARDS, Guard

ROOT = Path(__file__).parents[3]
DISTRIBUTIONS = ("chassis", "gateway_service", "converter_service", "notifier_service")
SCHEDULES = 3000
QUICK_SCHEDULES = 500
# What a run of schedules ends with when the guarantee was broken, rather than the program.
BROKEN = re.compile(r"broken=1 seed=\d+ cause=(Broken|NeverQuiet|Livelock): (.*)")
FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a suite: red is good, unless nothing was switched off."""

    is_red: bool
    says: str
    seconds: float


class Copy:
    """The packages in a directory of their own, to be broken one line at a time."""

    def __init__(self, directory: Path) -> None:
        """Copy them to `directory`."""
        self._directory = directory
        self._proof = directory / "proof"
        for name in DISTRIBUTIONS:
            shutil.copytree(ROOT / name / "src", directory / name / "src")

    def verdict(self, guard: Guard, schedules: int) -> Verdict:
        """Switch a guard off, run its suite, and switch it on again."""
        file = self._directory / guard.file
        sound = file.read_text("utf-8")
        if sound.count(guard.line) != 1:
            return Verdict(is_red=False, says="THE LINE IS NOT THERE", seconds=0.0)
        self._proof.unlink(missing_ok=True)
        self.switch_off(guard)
        verdict = self.run(guard.suite, schedules)
        file.write_text(sound, "utf-8")
        if not self._proof.exists():
            return Verdict(is_red=False, says="THE COPY WAS NOT USED", seconds=verdict.seconds)
        return verdict

    def switch_off(self, guard: Guard) -> None:
        """Put the other line there, and a proof that it was run."""
        file = self._directory / guard.file
        proof = f"\n__import__('pathlib').Path({str(self._proof)!r}).touch()\n"
        text = file.read_text("utf-8").replace(guard.line, guard.instead)
        file.write_text(text + proof, "utf-8")

    def run(self, suite: str, schedules: int) -> Verdict:
        """Run a suite over the copy as it is."""
        begun = time.monotonic()
        sources = [str(self._directory / name / "src") for name in DISTRIBUTIONS]
        done = subprocess.run(
            [sys.executable, *_command(suite, schedules, sources)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - begun
        if suite == "simulation":
            found = BROKEN.search(done.stdout)
            says = found[2] if found else (done.stderr or done.stdout)[-200:]
            return Verdict(bool(found) and done.returncode == 1, says.strip(), seconds)
        failed = FAILED.findall(done.stdout)
        says = failed[0].rpartition("::")[2] if failed else done.stdout[-200:]
        return Verdict(bool(failed) and done.returncode == 1, says.strip(), seconds)


def _command(suite: str, schedules: int, sources: Sequence[str]) -> list[str]:
    if suite == "simulation":
        return ["-m", f"{__package__}", "--schedules", str(schedules), "--no-shrink"]
    # The checkout's own pytest settings put the checkout first.
    supports = [str(ROOT / name / "tests" / "support") for name in DISTRIBUTIONS]
    supports += [str(ROOT / "tests/support"), str(ROOT / "deploy/local/tests/support")]
    path = " ".join([*sources, *supports])
    options = [
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-o",
        f"pythonpath={path}",
    ]
    return ["-m", "pytest", *options, *suite.split()]


def run(guards: Sequence[Guard], schedules: int) -> int:
    """Print the table; give the exit status: 1 unless all are red and the sound copy is green."""
    failures = 0
    with tempfile.TemporaryDirectory() as directory:
        copy = Copy(Path(directory))
        for suite in sorted({guard.suite for guard in guards}):
            verdict = copy.run(suite, min(schedules, QUICK_SCHEDULES))
            failures += _told("(nothing)", "-", suite, verdict, wanted_red=False)
        for guard in guards:
            verdict = copy.verdict(guard, schedules)
            failures += _told(guard.name, guard.file, guard.suite, verdict, wanted_red=True)
    print(f"GUARDS guards={len(guards)} green={failures}")
    return 1 if failures else 0


def _told(name: str, file: str, suite: str, verdict: Verdict, *, wanted_red: bool) -> bool:
    colour = "red" if verdict.is_red else "GREEN" if wanted_red else "green"
    short = file.rpartition("/src/")[2] or file
    suite = suite.rpartition("/")[2]
    print(
        f"{name:34} {short:58} {suite:24} {colour:6} {verdict.seconds:5.0f} s  {verdict.says[:90]}"
    )
    sys.stdout.flush()
    return verdict.is_red != wanted_red


def main(arguments: list[str]) -> int:
    """Run the guards that were named, or all."""
    parser = argparse.ArgumentParser(prog="guards", description=__doc__)
    parser.add_argument("--only", default="", help="guards whose names contain this")
    parser.add_argument("--schedules", type=int, default=SCHEDULES)
    given = parser.parse_args(arguments)
    return run([guard for guard in GUARDS if given.only in guard.name], given.schedules)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
