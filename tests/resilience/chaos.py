"""Break everything, for long, and see that nothing accepted is lost.

    python -m tests.resilience.chaos --seed 1 [--faults 1000] [--conversions 0] [--real]

Customers upload, wait, call off, delete and retry all the while. First come drills: what must not
be left to chance, one after the other. Then faults are drawn from the seed, about `--rate` a
second, and overlap, until there were enough with those of the drills; and then somebody is killed
at each failpoint at which nobody was yet. Then comes quiet: every conversion gets its chance to
end, every mail to arrive, every sweeper to sweep; the checker judges what the customers saw, and
the audit what lies in the stores. The last line is for programs:

    CHAOS faults=N conversions=N lost=N duplicated=N partial=N recovery_p50_s=X ...

**Recovery** of a fault runs from the moment when the fault is over (a kill is over at once; what
lasts, when it is healed; a wiped broker, when it listens again) until the last of the jobs that
were under way while it lasted has ended: the upload answered and a final state seen. So it
holds the work itself and whatever other faults did to the same jobs, and overstates.

Exit status 1 unless lost, duplicated and partial are 0, the audit finds nothing, every call was
answered, no answer was odd, and every drill went as it should; 2 if the run itself broke. What a
failing run leaves behind is named.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from .chaos_run import ChaosRun  # noqa: E402 - found by the line above
from .disks import CannotMount, small_disk  # noqa: E402 - as above
from .drill_plan import DRILLS, named_drills, usual_drills  # noqa: E402 - as above
from .rig import CONVERTERS, Rig  # noqa: E402 - as above
from .storm import Plan  # noqa: E402 - as above

CHAOS = ROOT / ".build" / "chaos"
SCRATCH_MEGABYTES = 256
ENVIRONMENT = {
    "gateway": {"SWEEP_SECONDS": "5", "ORPHAN_AGE_SECONDS": "20", "UPLOAD_IDLE_SECONDS": "30"},
    # A worker's death counts against a conversion, and here they die a hundred times as often as
    # anywhere else: with the cap of the product, good videos would be given up for it.
    "converter": {"SWEEP_SECONDS": "5", "ORPHAN_AGE_SECONDS": "20", "MAX_LOSSES": "100"},
    "notifier": {"SWEEP_SECONDS": "5"},
}


def main() -> None:
    """Run as the command line says."""
    plan, real, given = _options()
    directory = given or _directory(plan.seed)
    directory.mkdir(parents=True, exist_ok=True)
    status = 2
    try:
        status = asyncio.run(_interruptible(plan, directory, real=real))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted", file=sys.stderr)
    finally:
        if status == 0 and given is None:
            shutil.rmtree(directory, ignore_errors=True)
        elif status != 0:
            print(f"history, faults and logs are in {directory}", file=sys.stderr)
    sys.exit(status)


async def _interruptible(plan: Plan, directory: Path, *, real: bool) -> int:
    running = asyncio.create_task(_run(plan, directory, real=real))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    return await running


async def _run(plan: Plan, directory: Path, *, real: bool) -> int:
    with ExitStack() as stack:
        scratch = directory / "stack" / "scratch"
        disks: list[str] = []
        with suppress(CannotMount):
            for name in CONVERTERS:
                stack.enter_context(small_disk(scratch / name, megabytes=SCRATCH_MEGABYTES))
                disks.append(name)
        rig = Rig(directory / "stack", real=real, environment=ENVIRONMENT)
        stack.callback(rig.stop)
        await asyncio.to_thread(rig.start)
        for notice in rig.blueprint.notices:
            print(notice)
        run = ChaosRun(rig, plan, directory, tuple(disks))
        return 0 if await run.whole() else 1


def _options() -> tuple[Plan, bool, Path | None]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--faults", type=int, default=1000, help="how many must strike")
    parser.add_argument("--conversions", type=int, default=0, help="how many at least")
    parser.add_argument("--rate", type=float, default=1.0, help="faults a second")
    parser.add_argument("--customers", type=int, default=6)
    parser.add_argument("--only", default="", help="kinds of faults, separated by commas")
    parser.add_argument(
        "--drills", type=named_drills, help=f"all, none, or some of {', '.join(DRILLS)}"
    )
    parser.add_argument("--real", action="store_true", help="on Apache Kafka and MariaDB")
    parser.add_argument("--directory", type=Path, help="where stack and history go, and stay")
    given = parser.parse_args()
    plan = Plan(
        seed=given.seed,
        faults=given.faults,
        conversions=given.conversions,
        rate=given.rate,
        customers=given.customers,
        only=tuple(filter(None, given.only.split(","))),
        drills=usual_drills(given.faults) if given.drills is None else given.drills,
    )
    return plan, given.real, given.directory


def _directory(seed: int) -> Path:
    CHAOS.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=CHAOS, prefix=f"{seed}-"))


_Raw = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    main()
