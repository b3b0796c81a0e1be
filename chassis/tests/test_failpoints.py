"""Points where a running service can be made to fail."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Self

import pytest

from tonearm_chassis.errors import Outage
from tonearm_chassis.failpoints import Failpoints, UnknownAction, arm
from tonearm_chassis.settings import ServiceSettings, load_settings

# Says what it survived; the point is armed by the test.
CHILD = """
import asyncio, sys
from pathlib import Path
from tonearm_chassis.failpoints import Failpoints

class Port:
    async def work(self):
        print("begun", flush=True)
        await asyncio.sleep(float(sys.argv[2]))
        print("done", flush=True)

asyncio.run(Failpoints(Path(sys.argv[1])).around(Port(), "port").work())
"""


class Sheet:
    """What a desk makes."""

    def write(self, text: str) -> str:
        """Give the text back."""
        return text


class Desk:
    """A port with a method of every kind."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.done: list[str] = []
        self.closed = False

    @property
    def name(self) -> str:
        return "desk"

    async def work(self, what: str, *, twice: bool = False) -> int:
        self.done += [what] * (2 if twice else 1)
        return len(self.done)

    def note(self, what: str) -> None:
        self.done.append(what)

    async def pages(self) -> AsyncIterator[int]:
        try:
            for number in range(3):
                yield number
        finally:
            self.closed = True

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        yield "open"

    def sheet(self) -> Sheet:
        return Sheet()

    async def later_sheet(self) -> Sheet:
        return Sheet()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    def __len__(self) -> int:
        return 7


def points(directory: Path) -> list[str]:
    """Name the points that have fired, without process and time."""
    return sorted(path.name.rsplit(".", 2)[0] for path in (directory / "fired").iterdir())


def test_off_there_is_nothing_around_a_port() -> None:
    desk = Desk()

    assert Failpoints(None).around(desk, "desk") is desk


async def test_off_a_point_does_nothing() -> None:
    await Failpoints(None).reach("desk.asked")
    Failpoints(None).reach_blocking("desk.asked")


def test_the_setting_is_off_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FAILPOINTS_DIRECTORY", raising=False)
    assert load_settings(ServiceSettings).failpoints_directory is None

    monkeypatch.setenv("FAILPOINTS_DIRECTORY", str(tmp_path))
    assert load_settings(ServiceSettings).failpoints_directory == tmp_path


async def test_a_port_with_no_point_armed_behaves_as_ever(tmp_path: Path) -> None:
    inner = Desk()
    desk = Failpoints(tmp_path).around(inner, "desk")

    assert await desk.work("a", twice=True) == 2
    desk.note("b")
    assert [number async for number in desk.pages()] == [0, 1, 2]
    async with desk.open() as opened, desk as entered:
        assert (opened, entered) == ("open", inner)
    assert (desk.name, desk.done, len(desk)) == ("desk", ["a", "a", "b"], 7)
    desk.closed = False
    assert not inner.closed
    assert isinstance(desk, Desk)
    assert points(tmp_path) == []


async def test_before_a_method_nothing_of_it_is_done(tmp_path: Path) -> None:
    desk = Failpoints(tmp_path).around(Desk(), "desk")
    arm(tmp_path, "desk.work.before", "outage")

    with pytest.raises(Outage, match=r"failpoint: desk\.work\.before"):
        await desk.work("a")

    assert desk.done == []


async def test_after_a_method_all_of_it_is_done_and_nobody_is_told(tmp_path: Path) -> None:
    desk = Failpoints(tmp_path).around(Desk(), "desk")
    arm(tmp_path, "desk.work.after", "outage")

    with pytest.raises(Outage):
        await desk.work("a")

    assert desk.done == ["a"]


async def test_a_method_that_is_not_async_passes_its_points(tmp_path: Path) -> None:
    desk = Failpoints(tmp_path).around(Desk(), "desk")
    arm(tmp_path, "desk.note.after", "outage")

    with pytest.raises(Outage):
        desk.note("a")

    assert desk.done == ["a"]


async def test_an_iteration_passes_its_points_at_its_begin_and_its_end(tmp_path: Path) -> None:
    desk = Failpoints(tmp_path).around(Desk(), "desk")
    arm(tmp_path, "desk.pages.after", "outage")
    pages = desk.pages()

    seen = [await anext(pages) for _ in range(3)]
    with pytest.raises(Outage):
        await anext(pages)

    assert seen == [0, 1, 2]


async def test_an_iteration_that_is_given_up_is_closed_at_once(tmp_path: Path) -> None:
    desk = Failpoints(tmp_path).around(Desk(), "desk")
    pages = desk.pages()
    assert isinstance(pages, AsyncIterator)

    async with aclosing(pages):  # type: ignore[type-var]  # a generator, whatever the port calls it
        async for _ in pages:
            break

    assert desk.closed


async def test_what_a_method_makes_can_be_a_port_as_well(tmp_path: Path) -> None:
    made = {"sheet": "sheet", "later_sheet": "sheet"}
    desk = Failpoints(tmp_path).around(Desk(), "desk", made)
    sheets = [desk.sheet(), await desk.later_sheet()]

    for sheet in sheets:
        arm(tmp_path, "sheet.write.before", "outage")
        with pytest.raises(Outage):
            sheet.write("a")
        assert sheet.write("a") == "a"

    assert points(tmp_path) == ["sheet.write.before"] * 2


async def test_a_point_fires_once_and_in_one_place(tmp_path: Path) -> None:
    desks = [Failpoints(tmp_path).around(Desk(), "desk") for _ in range(4)]
    arm(tmp_path, "desk.work.before", "outage")

    outcomes = await asyncio.gather(*(desk.work("a") for desk in desks * 5), return_exceptions=True)

    assert sum(isinstance(outcome, Outage) for outcome in outcomes) == 1
    (fired,) = (tmp_path / "fired").iterdir()
    point, process, moment = fired.name.rsplit(".", 2)
    assert (point, process) == ("desk.work.before", str(os.getpid()))
    assert abs(int(moment) / 1e9 - time.time()) < 60


async def test_a_pause_holds_up_the_call_and_nothing_else(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)
    arm(tmp_path, "desk.asked", "pause 0.3")

    paused = asyncio.create_task(failpoints.reach("desk.asked"))
    started = time.monotonic()
    await failpoints.reach("desk.other")
    await asyncio.sleep(0)
    assert not paused.done()
    await paused

    assert time.monotonic() - started >= 0.29


def test_a_point_where_nothing_can_be_awaited(tmp_path: Path) -> None:
    failpoints = Failpoints(tmp_path)
    arm(tmp_path, "desk.asked", "pause 0.2\n")

    started = time.monotonic()
    failpoints.reach_blocking("desk.asked")

    assert time.monotonic() - started >= 0.19


async def test_an_action_that_nobody_knows_is_loud(tmp_path: Path) -> None:
    arm(tmp_path, "desk.asked", "explode")

    with pytest.raises(UnknownAction, match="explode"):
        await Failpoints(tmp_path).reach("desk.asked")


@pytest.mark.parametrize(
    ("point", "action", "said"),
    [
        ("port.work.before", "kill", ""),
        ("port.work.before", "kill 0.2", "begun\n"),
        ("port.work.after", "kill", "begun\ndone\n"),
    ],
)
def test_a_kill_is_one_at_that_very_point(
    tmp_path: Path, point: str, action: str, said: str
) -> None:
    tmp_path.joinpath("fired").mkdir()
    arm(tmp_path, point, action)
    seconds = "60" if "0.2" in action else "0"

    ended = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path, seconds],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == -signal.SIGKILL
    lines = ended.stdout.splitlines(keepends=True)
    assert said == "".join(line for line in lines if "failpoint" not in line)
    assert points(tmp_path) == [point]


def test_a_stopped_process_goes_on_when_told(tmp_path: Path) -> None:
    arm(tmp_path, "port.work.before", "stop")
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, tmp_path, "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "begun\ndone\n" in said
