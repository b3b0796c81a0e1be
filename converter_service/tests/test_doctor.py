"""What the doctor finds, and what it says of it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from converter_cage import KINDS, FakeMachine

from converter_service.adapters.cage.choice import Trial, trial_in
from converter_service.adapters.doctor.examination import Doctor, Plan
from converter_service.adapters.doctor.findings import Finding, Level, Report
from converter_service.adapters.doctor.holes import Version, holes_of, release_of
from converter_service.adapters.doctor.machine import Machine, memory, processors, scratch
from converter_service.adapters.ffmpeg import find_ffmpeg
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import EngineFailure
from tonearm_chassis.clock import SystemClock

PLAN = Plan(ffmpeg="auto", cage="auto", cores=2, encoders=2, slots=2)
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Clinic:
    """Where doctors work."""

    workshop: ScratchWorkshop
    directory: Path
    machine: Machine = field(default_factory=Machine)

    async def examined(self, plan: Plan = PLAN, trial: Trial | None = None) -> dict[str, Finding]:
        trial = trial or trial_in(self.workshop)
        doctor = Doctor(plan, self.workshop, trial, SystemClock(), self.machine)
        report = await doctor.examine()
        return {each.subject: each for each in report.findings}

    def ffmpeg(self, version: str = "9.0.2", encoders: str = " A....D libmp3lame  MP3") -> str:
        """Write a program that says that it is ffmpeg, and can do nothing."""
        program = self.directory / "ffmpeg"
        program.write_text(
            f"#!/bin/sh\ncase \"$*\" in *-version*) echo 'ffmpeg version {version} Copyright';;"
            f" *-encoders*) echo '{encoders}';; *-decoders*) echo ' A....D aac  AAC';;"
            " *) exit 8;; esac\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return str(program)


@pytest.fixture
def clinic(scratch: Path, tmp_path: Path) -> Clinic:
    return Clinic(ScratchWorkshop(scratch), tmp_path)


async def test_this_machine_can_convert(clinic: Clinic) -> None:
    found = await clinic.examined()

    speeds = found["speed"].facts["encoders"]
    assert isinstance(speeds, dict)
    assert set(speeds) == {"1", "2"}
    assert all(speed > 1 for speed in speeds.values())
    assert found["ffmpeg"].facts["path"] == find_ffmpeg("auto")
    assert all(each.level is not Level.UNUSABLE for each in found.values())


async def test_an_examination_leaves_nothing_behind(clinic: Clinic) -> None:
    await clinic.examined()

    assert list(clinic.workshop.home.iterdir()) == []


async def test_an_ffmpeg_that_is_not_there_is_unusable(clinic: Clinic) -> None:
    found = await clinic.examined(replace(PLAN, ffmpeg="/nowhere/ffmpeg"))

    assert found["engine"].level is Level.UNUSABLE
    assert "FFMPEG=/nowhere/ffmpeg" in found["engine"].text


async def test_an_ffmpeg_without_an_mp3_encoder_is_unusable(clinic: Clinic) -> None:
    program = clinic.ffmpeg(encoders=" A....D aac  AAC")

    found = await clinic.examined(replace(PLAN, ffmpeg=program))

    assert found["encoders"].level is Level.UNUSABLE
    assert found["encoders"].facts["missing"] == ["libmp3lame"]


async def test_an_ffmpeg_that_converts_nothing_is_unusable(clinic: Clinic) -> None:
    found = await clinic.examined(replace(PLAN, ffmpeg=clinic.ffmpeg()))

    assert found["encoders"].level is Level.OK
    assert found["engine"].level is Level.UNUSABLE


async def test_decoders_that_people_need_are_missed(clinic: Clinic) -> None:
    found = await clinic.examined(replace(PLAN, ffmpeg=clinic.ffmpeg()))

    assert found["decoders"].level is Level.WARNING
    assert "opus" in found["decoders"].text
    assert "aac," not in found["decoders"].text


@pytest.mark.parametrize(
    ("version", "level", "word"),
    [
        ("9.0.2", Level.OK, "none known in reach"),
        ("7.1.1", Level.WARNING, "CVE-2026-40962"),
        ("5.1.9-0+deb12u1", Level.WARNING, "its distribution may have repaired them"),
        ("N-118000-gabcdef", Level.WARNING, "names no release"),
    ],
)
async def test_known_holes_are_named(clinic: Clinic, version: str, level: Level, word: str) -> None:
    found = await clinic.examined(replace(PLAN, ffmpeg=clinic.ffmpeg(version)))

    assert found["holes"].level is level
    assert word in found["holes"].text


async def test_the_library_that_looks_at_files_first_is_judged_too(clinic: Clinic) -> None:
    found = await clinic.examined(replace(PLAN, ffmpeg=clinic.ffmpeg()))

    assert "PyAV" in found["probe holes"].text


@pytest.mark.parametrize(("wanted", "level"), [("auto", Level.WARNING), ("full", Level.UNUSABLE)])
async def test_a_weak_cage_is_as_bad_as_the_setting_says(
    clinic: Clinic, wanted: str, level: Level
) -> None:
    weak = FakeMachine(seccomp=KINDS - {"read", "signal"})
    plan = replace(PLAN, cage="full" if wanted == "full" else "auto")

    found = await clinic.examined(plan, weak)

    assert found["cage"].level is level
    assert found["cage"].facts["lacks"] == ["read", "signal"]
    assert "landlock: Function not implemented" in found["cage"].text


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("n9.0.2-17-g2a571b6068-20260930", (9, 0, 2)),
        ("5.1.9-0+deb12u1", (5, 1, 9)),
        ("8.1", (8, 1)),
        ("N-118000-gabcdef", None),
        ("git-2026-08-03-01a25f74cc", None),
    ],
)
def test_the_release_is_read_from_what_builders_make_of_it(
    version: str, release: Version | None
) -> None:
    assert release_of(version) == release


def test_a_hole_begins_and_ends_with_its_versions() -> None:
    def has(*release: int) -> bool:
        return "CVE-2026-40962" in {hole.identity for hole in holes_of(release)}

    assert [has(4, 0), has(4, 1), has(8, 0, 9), has(8, 1)] == [False, True, True, False]


def group(directory: Path, **limits: str) -> Machine:
    """Make a machine whose process is in a control group of a control group."""
    (directory / "proc/self").mkdir(parents=True)
    (directory / "proc/self/cgroup").write_text("0::/pod/worker\n")
    (directory / "groups/pod/worker").mkdir(parents=True)
    for name, value in limits.items():
        (directory / "groups/pod" / name.replace("_", ".")).write_text(value)
        (directory / "groups/pod/worker" / name.replace("_", ".")).write_text("max 100000\n")
    return Machine(directory / "proc", directory / "groups")


def test_a_quota_below_the_encoders_is_a_warning_that_says_what_to_set(tmp_path: Path) -> None:
    machine = group(tmp_path, cpu_max="150000 100000\n")

    found = processors(machine, cores=8, encoders=8)

    assert found.level is Level.WARNING
    assert found.facts["quota_cores"] == 1.5
    assert "set ENCODERS and SLOTS to 1" in found.text


def test_no_quota_is_fine(tmp_path: Path) -> None:
    assert processors(group(tmp_path), cores=8, encoders=8).level is Level.OK
    assert processors(Machine(tmp_path, tmp_path), cores=8, encoders=8).level is Level.OK


def test_little_memory_for_many_conversions_is_a_warning(tmp_path: Path) -> None:
    machine = group(tmp_path, memory_max=str(512 * MIB))

    assert memory(machine, slots=1).level is Level.OK
    assert memory(machine, slots=8).level is Level.WARNING


def test_a_disk_without_room_is_found(tmp_path: Path) -> None:
    free_bytes = shutil.disk_usage(tmp_path).free
    many = free_bytes // (1024 * MIB)

    (roomy,) = scratch(tmp_path, 0)
    (narrow,) = scratch(tmp_path, many)

    assert (roomy.level, narrow.level) == (Level.OK, Level.WARNING)


def test_the_worst_finding_is_the_exit_status() -> None:
    fine, bad = Finding("a", Level.OK, "fine"), Finding("b", Level.UNUSABLE, "bad", {"n": 1})
    report = Report((fine, bad))

    assert (Report((fine,)).level, report.level) == (0, 2)
    assert report.text().splitlines()[-1] == "DOCTOR unusable warnings=0 unusable=1"
    assert json.loads(report.json())["findings"][1] == {
        "subject": "b", "level": "UNUSABLE", "text": "bad", "facts": {"n": 1},
    }  # fmt: skip


@pytest.mark.parametrize("choice", ["path", "auto"])
def test_the_ffmpeg_on_path_is_chosen(
    clinic: Clinic, choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = clinic.ffmpeg()
    monkeypatch.setenv("PATH", str(clinic.directory))

    assert find_ffmpeg(choice) == program
    assert find_ffmpeg("wheel") != program


def test_without_one_on_path_the_wheels_is_taken_unless_path_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_ffmpeg("auto") == find_ffmpeg("wheel")
    with pytest.raises(EngineFailure):
        find_ffmpeg("path")


@pytest.mark.parametrize(("ffmpeg", "statuses"), [("auto", (0, 1)), ("/nowhere/ffmpeg", (2,))])
def test_the_command_needs_no_store_and_no_broker(
    tmp_path: Path, ffmpeg: str, statuses: tuple[int, ...]
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "FFMPEG": ffmpeg,
        "SCRATCH_DIRECTORY": str(tmp_path / "scratch"),
    }

    done = subprocess.run(
        [sys.executable, "-m", "converter_service", "doctor", "--json"],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert done.returncode in statuses, done.stderr
    assert Level[json.loads(done.stdout)["level"]] == done.returncode
