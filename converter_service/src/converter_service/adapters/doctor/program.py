"""Look at ffmpeg: which one, built how, with which holes, and how fast."""

from __future__ import annotations

import random
import re
import struct
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from converter_service.adapters.cage.confine import HELD
from converter_service.adapters.cage.shape import Cage
from converter_service.adapters.child import ENVIRONMENT, Limits, wrap
from converter_service.adapters.doctor.findings import Finding, Level
from converter_service.adapters.doctor.holes import holes_of, release_of
from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.ffmpeg import FfmpegEngine
from converter_service.domain import EngineFailure, Options, Recipe
from converter_service.ports import Workshop
from tonearm_chassis.clock import Clock

PATIENCE_SECONDS = 20.0
SOUND_SECONDS = 60
RATE_HZ = 44_100
# LAME at its slowest on the slowest machine worth the electricity.
SLOW = 10.0
ENCODER = re.compile(rb"^ A\S+ (\S+)", re.MULTILINE)
VERSION = re.compile(r"ffmpeg version (\S+)")
DISTRIBUTION = re.compile(r"deb|ubuntu|\.fc\d|\.el\d|-r\d")
NEEDED_ENCODERS = ("libmp3lame",)
COMMON_DECODERS = ("aac", "mp3", "opus", "vorbis", "flac", "ac3", "alac", "pcm_s16le")


@dataclass(frozen=True, slots=True)
class Program:
    """An ffmpeg, and the cage that it is asked in."""

    path: str
    chosen_by: str
    cage: Cage

    def asked(self, *arguments: str) -> bytes:
        """Give what it says; blocks. Raises `EngineFailure` if it does not answer."""
        limits = Limits(PATIENCE_SECONDS, file_bytes=0)
        cage = self.cage.with_program(Path(self.path))
        argv = wrap([self.path, *arguments], limits, cage, scratch=None)
        try:
            answer = subprocess.run(
                argv, capture_output=True, env=ENVIRONMENT, timeout=PATIENCE_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineFailure(f"{self.path}: {error}") from error
        return answer.stdout.removeprefix(HELD)


def look_at(program: Program) -> Iterator[Finding]:
    """Say what it is. Raises `EngineFailure` if it cannot be run."""
    said = program.asked("-version").decode(errors="replace")
    found = VERSION.match(said)
    version = found[1] if found else "unknown"
    configuration = next(
        (line for line in said.splitlines() if line.startswith("configuration:")), ""
    ).removeprefix("configuration:")
    facts = {"path": program.path, "chosen_by": program.chosen_by, "version": version,
             "configuration": configuration.split()}  # fmt: skip
    text = f"{version}, {program.path} (FFMPEG={program.chosen_by})"
    yield Finding("ffmpeg", Level.OK if found else Level.WARNING, text, facts)
    yield from _lacks(program)
    yield _holes("holes", version, program.path)
    yield _holes("probe holes", av.ffmpeg_version_info, f"PyAV {av.__version__}")


def _lacks(program: Program) -> Iterator[Finding]:
    encoders, decoders = (
        {name.decode() for name in ENCODER.findall(program.asked("-hide_banner", option))}
        for option in ("-encoders", "-decoders")
    )
    missing = [name for name in NEEDED_ENCODERS if name not in encoders]
    if missing:
        text = f"ffmpeg was built without {', '.join(missing)}: no MP3 can be made"
        yield Finding("encoders", Level.UNUSABLE, text, {"missing": missing})
    else:
        yield Finding("encoders", Level.OK, "libmp3lame", {"missing": []})
    missing = [name for name in COMMON_DECODERS if name not in decoders]
    if missing:
        text = f"ffmpeg cannot decode {', '.join(missing)}; such videos will be UNREADABLE_VIDEO"
        yield Finding("decoders", Level.WARNING, text, {"missing": missing})


def _holes(subject: str, version: str, where: str) -> Finding:
    release = release_of(version)
    if release is None:
        text = f"{version} names no release, so its holes are unknown: {where}"
        return Finding(subject, Level.WARNING, text, {"version": version})
    known = holes_of(release)
    facts: dict[str, object] = {
        "version": version,
        "in_reach": [hole.identity for hole in known if hole.in_reach],
        "out_of_reach": [hole.identity for hole in known if not hole.in_reach],
    }
    near = [f"{hole.identity} ({hole.what})" for hole in known if hole.in_reach]
    if near:
        text = f"{version} of {where} has {'; '.join(near)}"
        if DISTRIBUTION.search(version):
            text += "; by its version: its distribution may have repaired them"
        return Finding(subject, Level.WARNING, text, facts)
    text = f"none known in reach of a file, {len(known)} out of reach, in {version} of {where}"
    return Finding(subject, Level.OK, text, facts)


async def measure(program: Program, workshop: Workshop, clock: Clock, encoders: int) -> Finding:
    """Convert a minute of sound with one encoder, and with all, as a conversion does."""
    speeds: dict[int, float] = {}
    async with workshop.open() as place:
        _write_sound(place.video)
        for count in sorted({1, encoders}):
            engine = FfmpegEngine(program.path, Patience(), program.cage, encoders=count)
            source = await engine.inspect(place.video)
            start = clock.monotonic()
            recipe = Recipe.of(Options(), source)
            await engine.encode(place.video, place.audio, recipe, lambda _: None)
            speeds[count] = SOUND_SECONDS / (clock.monotonic() - start)
    words = [f"{speed:.0f} x real time with {count}" for count, speed in speeds.items()]
    level = Level.OK if max(speeds.values()) >= SLOW else Level.WARNING
    facts = {"encoders": {str(count): round(speed, 1) for count, speed in speeds.items()}}
    return Finding("speed", level, f"{', '.join(words)} encoders (V2, a minute of sound)", facts)


def _write_sound(target: Path) -> None:
    """Write a second of chords and noise, sixty times, as a WAV file; blocks."""
    chance = random.Random(1)  # noqa: S311 - no secret
    noise = [chance.randrange(-3000, 3000) for _ in range(2 * RATE_HZ)]
    # A square wave of 441 Hz is rich in overtones, and made without a table.
    samples = [value + (6000 if index // 100 % 2 else -6000) for index, value in enumerate(noise)]
    second = struct.pack(f"<{len(samples)}h", *samples)
    with wave.open(str(target), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        for _ in range(SOUND_SECONDS):
            file.writeframesraw(second)
