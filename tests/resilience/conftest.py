"""One stack of twins for all tests of resilience, with short leases and quick sweepers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from .auditing import Leaks
from .caller import Library
from .disks import CannotMount, small_disk
from .rig import CONVERTERS, Rig
from .sources import make_longest, make_sources
from .trial import Trial

SCRATCH_MEGABYTES = 192
STORE_MEGABYTES = 2048
AUDIT_SECONDS = 60.0
AUDIT_GRACE_SECONDS = 5
LEASE_SECONDS = 3
ENVIRONMENT = {
    "gateway": {"SWEEP_SECONDS": "2", "ORPHAN_AGE_SECONDS": "10", "UPLOAD_IDLE_SECONDS": "10"},
    "converter": {
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "SWEEP_SECONDS": "2",
        "ORPHAN_AGE_SECONDS": "10",
    },
    "notifier": {"SWEEP_SECONDS": "2"},
}


@dataclass(frozen=True, slots=True)
class Disks:
    """Where the stack lives, and which of its directories are small disks that can be filled."""

    directory: Path
    scratch: tuple[Path, ...]
    store: tuple[Path, ...]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Make all videos."""
    directory = tmp_path_factory.mktemp("videos")
    longest = make_longest(directory / "longest.m4a")
    return Library(directory, {**make_sources(directory), longest.name: longest})


@pytest.fixture(scope="session")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    """Mount small disks below the directory of the stack; none without the right to."""
    directory = tmp_path_factory.mktemp("resilience") / "stack"
    with ExitStack() as stack:
        scratch = [directory / "scratch" / name for name in CONVERTERS]
        store = directory / "mongodb"
        try:
            for each in scratch:
                stack.enter_context(small_disk(each, megabytes=SCRATCH_MEGABYTES))
            stack.enter_context(small_disk(store, megabytes=STORE_MEGABYTES))
        except CannotMount:
            yield Disks(directory, (), ())
        else:
            yield Disks(directory, tuple(scratch), (store,))


@pytest.fixture(scope="session")
def shared_rig(disks: Disks) -> Iterator[Rig]:
    """Run the stack for the whole session."""
    with Rig(disks.directory, environment=ENVIRONMENT) as rig:
        yield rig


@pytest.fixture(scope="session")
def leaks(shared_rig: Rig) -> Iterator[Leaks]:
    """See that at the end of the session no store holds what nobody needs."""
    leaks = Leaks(shared_rig.stack.mongodb_uri)
    yield leaks
    shared_rig.calm()
    left = leaks.left(grace_seconds=AUDIT_GRACE_SECONDS, seconds=AUDIT_SECONDS)
    assert not left, "\n" + "\n".join(left)


@pytest.fixture(scope="module")
def watched_rig(request: pytest.FixtureRequest, shared_rig: Rig, leaks: Leaks) -> Iterator[Rig]:
    """See what the tests of a module leave; a look after each would take minutes of them all."""
    yield shared_rig
    leaks.look(request.node.name)


@pytest.fixture
def rig(watched_rig: Rig) -> Iterator[Rig]:
    """Give the stack to one test, and put right what it did to it."""
    yield watched_rig
    watched_rig.calm()


@pytest.fixture
async def trial(rig: Rig, library: Library, tmp_path: Path) -> AsyncIterator[Trial]:
    """Be a caller whose conversions will be judged."""
    async with Trial(rig, library, tmp_path) as trial:
        yield trial
