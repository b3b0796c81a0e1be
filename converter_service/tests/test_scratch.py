"""Files of running conversions."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.ports import Workplace
from tonearm_chassis.errors import Outage


async def test_a_workplace_is_private_and_gone_afterwards(scratch: Path) -> None:
    workshop = ScratchWorkshop(scratch)

    async with workshop.open() as workplace:
        directory = workplace.video.parent
        workplace.video.write_bytes(b"x")
        mode = stat.S_IMODE(directory.stat().st_mode)

    assert mode == 0o700
    assert not directory.exists()


async def test_a_workplace_is_gone_after_a_failure(scratch: Path) -> None:
    workshop = ScratchWorkshop(scratch)

    async def fail() -> None:
        async with workshop.open() as workplace:
            workplaces.append(workplace)
            raise ZeroDivisionError

    workplaces: list[Workplace] = []

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert not workplaces[0].video.parent.exists()


async def test_the_start_removes_what_the_dead_left_and_nothing_of_the_living(
    scratch: Path,
) -> None:
    (scratch / "dead" / "conversion").mkdir(parents=True)
    (scratch / "dead" / "conversion" / "video").write_bytes(b"x")
    living = ScratchWorkshop(scratch)

    async with living.open() as workplace:
        ScratchWorkshop(scratch)

        assert workplace.video.parent.exists()
    assert not (scratch / "dead").exists()


def test_what_does_not_fit_on_the_disk_is_an_outage(scratch: Path) -> None:
    workshop = ScratchWorkshop(scratch)
    free = shutil.disk_usage(scratch).free

    workshop.require_space()
    with pytest.raises(Outage):
        workshop.require_space(free)


def test_closing_leaves_nothing(scratch: Path) -> None:
    ScratchWorkshop(scratch).close()

    assert list(scratch.iterdir()) == []
