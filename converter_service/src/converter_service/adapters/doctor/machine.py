"""Look at the machine: processors, memory, kernel, scratch directory, Python."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from converter_service.adapters.cage import landlock
from converter_service.adapters.doctor.findings import Finding, Level

GIB = 1024**3
# A slot wants room for its video and for its audio; less than this is little even for a phone's.
LITTLE_SCRATCH_BYTES = 2 * GIB
LEAST_SCRATCH_BYTES = 64 * 1024**2
# What a conversion and its children were seen to use, and the worker itself.
SLOT_BYTES = 256 * 1024**2
NEWEST_PYTHON, OLDEST_PYTHON = (3, 13), (3, 11)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel says what there is."""

    proc: Path = Path("/proc")
    cgroups: Path = Path("/sys/fs/cgroup")

    def limit(self, name: str) -> str | None:
        """Read a limit of this process's control group (version 2), or of one around it."""
        try:
            line = (self.proc / "self/cgroup").read_text().strip().rpartition("::")[2]
        except OSError:
            return None
        here = self.cgroups / line.lstrip("/")
        for group in (here, *here.parents):
            if (group / name).is_file():
                value = (group / name).read_text().strip()
                if not value.startswith("max"):
                    return value
            if group == self.cgroups:
                break
        return None

    def quota_cores(self) -> float | None:
        """Tell how many cores' worth of time there is; None without a limit."""
        value = self.limit("cpu.max")
        if value is None:
            return None
        quota, period = map(int, value.split())
        return quota / period

    def memory_bytes(self) -> int | None:
        """Tell how much memory there is for all that runs here; None without a limit."""
        value = self.limit("memory.max")
        return None if value is None else int(value)


def processors(machine: Machine, cores: int, encoders: int) -> Finding:
    """Compare cores with the time that a control group leaves."""
    quota = machine.quota_cores()
    facts = {"cores": cores, "quota_cores": quota, "encoders": encoders}
    if quota is not None and quota < encoders:
        text = (
            f"{cores} cores, of whose time the control group leaves {quota:g}: set ENCODERS and "
            f"SLOTS to {max(1, int(quota))}"
        )
        return Finding("processors", Level.WARNING, text, facts)
    bounds = "no quota" if quota is None else f"a quota of {quota:g}"
    return Finding("processors", Level.OK, f"{cores} cores, {bounds}", facts)


def memory(machine: Machine, slots: int) -> Finding:
    """Compare the control group's memory with what so many conversions take."""
    limit = machine.memory_bytes()
    facts = {"limit_bytes": limit, "slots": slots}
    wanted = SLOT_BYTES * (slots + 1)
    if limit is not None and limit < wanted:
        text = f"{_size(limit)} for {slots} conversions at a time; give {_size(wanted)}"
        return Finding("memory", Level.WARNING, text, facts)
    text = "no limit" if limit is None else _size(limit)
    return Finding("memory", Level.OK, text, facts)


def kernel() -> Finding:
    """Say what the kernel has for the cage."""
    try:
        version = landlock.kernel_version()
    except OSError:
        version = 0
    facts = {
        "release": platform.release(),
        "machine": platform.machine(),
        "landlock": version,
        "root": os.geteuid() == 0,
    }
    text = f"{platform.system()} {platform.release()} on {platform.machine()}, " + (
        f"Landlock {version}" if version else "no Landlock"
    )
    if facts["root"]:
        return Finding("kernel", Level.WARNING, f"{text}; better not run it as root", facts)
    return Finding("kernel", Level.OK, text, facts)


def scratch(directory: Path, slots: int) -> Iterator[Finding]:
    """Look for room, where conversions keep their files."""
    usage = shutil.disk_usage(directory)
    facts = {"directory": str(directory), "free_bytes": usage.free, "total_bytes": usage.total}
    text = f"{_size(usage.free)} of {_size(usage.total)} free in {directory}"
    level = Level.OK
    if usage.free < LEAST_SCRATCH_BYTES:
        level = Level.UNUSABLE
    elif usage.free < LITTLE_SCRATCH_BYTES * slots:
        level, text = Level.WARNING, f"{text}: little for {slots} videos at a time"
    yield Finding("scratch", level, text, facts)


def python() -> Finding:
    """Say which Python this is."""
    version = platform.python_version()
    is_tried = OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON
    text = version if is_tried else f"{version} is not among those that the tests run with"
    return Finding("Python", Level.OK if is_tried else Level.WARNING, text, {"version": version})


def _size(count: float) -> str:
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 1024**2:.0f} MiB"
