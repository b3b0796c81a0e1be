"""The cage that a machine gets, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from converter_cage import KINDS, FakeMachine
from structlog.testing import capture_logs

from converter_service.adapters.cage.choice import CageTooWeak, choose_cage, trial_in
from converter_service.adapters.cage.shape import FULL, Cage
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import EngineFailure

FILES = {"read", "signal"}
CALLS = KINDS - FILES


def everything_in(directory: Path) -> list[Path]:
    return list(directory.rglob("*"))


async def test_this_machine_has_the_full_cage(scratch: Path) -> None:
    workshop = ScratchWorkshop(scratch)

    with capture_logs() as lines:
        cage = await choose_cage("full", trial_in(workshop))

    assert cage == FULL
    (line,) = lines
    assert line["event"] == "cage_chosen"
    assert line["cage"] == "full"
    assert set(line["denies"]) == KINDS


@pytest.mark.parametrize(
    ("layers", "possible"),
    [
        (("seccomp",), {"read", "write", "signal"}),
        (("landlock",), {"write", "network", "leave"}),
        ((), {"read", "write", "network", "leave"}),
    ],
)
async def test_the_trial_finds_what_a_weaker_cage_leaves(
    layers: tuple[str, ...], possible: set[str], scratch: Path
) -> None:
    trial = trial_in(ScratchWorkshop(scratch))

    found = await trial(Cage(layers))

    # What else is possible without a cage depends on the user and on the machine.
    assert possible <= found


async def test_the_trial_leaves_no_workplace_behind(scratch: Path) -> None:
    await trial_in(ScratchWorkshop(scratch))(Cage(()))

    assert [path.parent for path in everything_in(scratch)] == [scratch]


async def test_a_machine_that_has_it_all_gets_it_all() -> None:
    machine = FakeMachine(landlock=FILES, seccomp=CALLS)

    assert await choose_cage("auto", machine) == FULL


async def test_a_machine_without_landlock_gets_what_is_left_and_a_warning() -> None:
    machine = FakeMachine(seccomp=CALLS)

    with capture_logs() as lines:
        cage = await choose_cage("auto", machine)

    assert cage == Cage(("seccomp",))
    chosen, warning = lines
    assert (chosen["event"], chosen["cage"]) == ("cage_chosen", "partial")
    assert (warning["event"], warning["log_level"]) == ("cage_is_weak", "warning")
    assert warning["lacks"] == ["read", "signal"]
    assert warning["causes"] == ["landlock: Function not implemented"]


async def test_a_machine_without_anything_says_so() -> None:
    with capture_logs() as lines:
        cage = await choose_cage("auto", FakeMachine())

    assert cage == Cage(())
    assert lines[0]["cage"] == "none"
    assert set(lines[1]["lacks"]) == KINDS


async def test_a_kernel_whose_landlock_is_too_old_is_found_out_by_trying() -> None:
    machine = FakeMachine(landlock={"read"}, seccomp=CALLS)

    with capture_logs() as lines:
        cage = await choose_cage("auto", machine)

    assert cage == FULL
    assert lines[1]["lacks"] == ["signal"]


@pytest.mark.parametrize(
    "machine",
    [FakeMachine(), FakeMachine(seccomp=CALLS), FakeMachine(landlock={"read"}, seccomp=CALLS)],
)
async def test_who_wants_all_of_it_does_not_start_with_less(machine: FakeMachine) -> None:
    with pytest.raises(CageTooWeak, match="signal"):
        await choose_cage("full", machine)


async def test_a_trial_that_breaks_off_is_no_reason_to_take_less() -> None:
    async def broken(_: Cage) -> frozenset[str]:
        raise EngineFailure("attempts ended with -9")

    with pytest.raises(EngineFailure):
        await choose_cage("auto", broken)
