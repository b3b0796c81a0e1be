"""What the engine does when ffmpeg misbehaves."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
import tracemalloc
from pathlib import Path

import psutil
import pytest
from converter_fakes import recipe_of
from converter_media import MediaMaker

from converter_service.adapters.child import Child, Limits, run_child
from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.ffmpeg import FfmpegEngine, find_ffmpeg
from converter_service.domain import (
    ConversionTimedOut,
    EngineFailure,
    Options,
    OutOfProportion,
    UnreadableVideo,
)
from converter_service.ports import Progress

CONSTANT = Options(bitrate_kbps=128)

VERSION = 'if [ "$1" = -version ]; then echo "ffmpeg version n7.1 Copyright"; exit; fi\n'
WORKS = (
    'echo "(audio): 1 packets read (9 bytes); 1 frames decoded; (44100 samples)" >&2; '
    'echo "(audio): 1 frames encoded (44100 samples)" >&2; exit 0'
)
IMPATIENT = Patience(least_seconds=2.0, stall_seconds=0.5)


def stub(directory: Path, script: str, sample: str = WORKS) -> str:
    """Write a program that says that it is ffmpeg, and does as told, else with the sample."""
    program = directory / "ffmpeg"
    proof = f'case "$*" in *sample.wav*) {sample};; esac'
    program.write_text(f"#!/bin/sh\n{VERSION}{proof}\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


async def encode(
    engine: FfmpegEngine,
    directory: Path,
    progress: Progress = lambda _: None,
    *,
    options: Options = CONSTANT,
) -> None:
    await engine.encode(
        directory / "video", directory / "audio.mp3", recipe_of(1, options), progress
    )


async def read_all(child: Child) -> bytes:
    seen = b""
    while piece := await child.read(10_000):
        seen += piece
    return seen


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def are_gone(pids: Path) -> bool:
    """Give the kernel a moment to end what was killed: only the leader's end is waited for."""
    text = await asyncio.to_thread(pids.read_text)
    for _ in range(100):
        if not any(is_alive(int(pid)) for pid in text.split()):
            return True
        await asyncio.sleep(0.02)  # nobody tells of the end of a process that is not our child
    return False


async def test_one_that_hangs_is_killed_with_its_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! $$ > {pids}; echo out_time_us=1000; wait"
    engine = FfmpegEngine(stub(tmp_path, script), IMPATIENT)

    with pytest.raises(ConversionTimedOut):
        await encode(engine, tmp_path)

    assert await are_gone(pids)


async def test_one_that_speaks_but_gets_nowhere_is_killed(tmp_path: Path) -> None:
    script = "while :; do echo out_time_us=1000; sleep 0.1; done"
    engine = FfmpegEngine(stub(tmp_path, script), IMPATIENT)

    with pytest.raises(ConversionTimedOut):
        await encode(engine, tmp_path)


async def test_one_that_begins_again_is_given_the_time_for_it(tmp_path: Path) -> None:
    again = "for i in 1 2 3 4 5 6 7 8; do echo out_time_us=$i; sleep 0.1; done"
    engine = FfmpegEngine(stub(tmp_path, f"echo out_time_us=1000; {again}; {WORKS}"), IMPATIENT)
    seen: list[float] = []

    await encode(engine, tmp_path, seen.append)

    assert seen == [0.001]


async def test_one_that_is_too_slow_is_killed(tmp_path: Path) -> None:
    script = "i=0; while :; do i=$((i+1)); echo out_time_us=$i; sleep 0.1; done"
    engine = FfmpegEngine(stub(tmp_path, script), Patience(0.5, 0.5, 10.0))

    with pytest.raises(ConversionTimedOut):
        await encode(engine, tmp_path)


async def test_a_cancelled_one_is_killed(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ > {pids}; echo out_time_us=1000; sleep 600"
    engine = FfmpegEngine(stub(tmp_path, script), Patience())
    encoding = asyncio.Event()
    running = asyncio.create_task(encode(engine, tmp_path, lambda _: encoding.set()))
    await encoding.wait()

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive(int(pids.read_text()))


async def test_one_that_crashes_is_the_engines_failure(tmp_path: Path) -> None:
    engine = FfmpegEngine(stub(tmp_path, "kill -SEGV $$"), IMPATIENT)

    with pytest.raises(EngineFailure):
        await encode(engine, tmp_path)


@pytest.mark.parametrize("script", ["kill -SEGV $$", "kill -KILL $$"])
async def test_a_decoder_that_crashes_is_the_engines_failure(tmp_path: Path, script: str) -> None:
    engine = FfmpegEngine(stub(tmp_path, script), IMPATIENT)

    with pytest.raises(EngineFailure):
        await encode(engine, tmp_path, options=Options())


async def test_a_decoder_and_encoders_that_hang_are_killed_with_the_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    engine = FfmpegEngine(stub(tmp_path, f"echo $$ $PPID >> {pids}; sleep 600"), IMPATIENT)

    with pytest.raises(ConversionTimedOut):
        await encode(engine, tmp_path, options=Options())

    assert await are_gone(pids)


async def test_one_that_claims_success_without_a_report_is_not_believed(tmp_path: Path) -> None:
    engine = FfmpegEngine(stub(tmp_path, "exit 0"), IMPATIENT)

    with pytest.raises(EngineFailure):
        await encode(engine, tmp_path)


async def test_one_that_decodes_nothing_blames_the_video(tmp_path: Path) -> None:
    engine = FfmpegEngine(stub(tmp_path, "echo 'Decoder not found' >&2; exit 8"), IMPATIENT)

    with pytest.raises(UnreadableVideo):
        await encode(engine, tmp_path)


async def test_one_that_ends_well_and_decoded_nothing_blames_the_video(tmp_path: Path) -> None:
    nothing = WORKS.replace("44100 samples", "0 samples")
    engine = FfmpegEngine(stub(tmp_path, nothing), IMPATIENT)

    with pytest.raises(UnreadableVideo):
        await encode(engine, tmp_path)


async def test_one_that_refuses_everything_blames_no_video(tmp_path: Path) -> None:
    refusal = "echo 'Unknown encoder libmp3lame' >&2; exit 8"
    engine = FfmpegEngine(stub(tmp_path, refusal, sample=refusal), IMPATIENT)

    with pytest.raises(EngineFailure):
        await encode(engine, tmp_path)


async def test_an_unreadable_video_is_blamed_by_an_engine_that_works(
    engine: FfmpegEngine, media: MediaMaker
) -> None:
    noise = media.write("noise.mp4", b"noise" * 10_000)

    with pytest.raises(UnreadableVideo):
        await engine.encode(
            noise,
            noise.with_name("none.mp3"),
            recipe_of(1),
            lambda _: None,
        )


async def test_a_probe_that_crashes_on_everything_blames_no_video(
    engine: FfmpegEngine, media: MediaMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    tone = media.make("tone.wav", video=False)

    with pytest.raises(EngineFailure):
        await engine.inspect(tone)


async def test_endless_output_takes_no_memory(tmp_path: Path) -> None:
    script = "yes 'a line of noise' | head -c 8000000 >&2; head -c 8000000 /dev/zero; exit 1"
    engine = FfmpegEngine(stub(tmp_path, script), Patience(30.0, 1.0, 20.0))
    tracemalloc.start()

    with pytest.raises(UnreadableVideo):
        await encode(engine, tmp_path)

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4_000_000


async def test_long_audio_takes_no_more_memory_than_short(
    engine: FfmpegEngine, media: MediaMaker
) -> None:
    peaks = []
    for minutes in (1, 10):
        audio = media.make(
            f"{minutes}.mp3", "-b:a", "32k", seconds=minutes * 60, rate=8_000, video=False
        )
        tracemalloc.start()
        await engine.decode(audio, recipe_of(minutes * 60))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    # Ten minutes decode to 9.6 MB; two more or less is how the reads of a busy machine fall.
    assert max(peaks) < 4_000_000


async def test_children_know_nothing_of_the_services_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://user:secret@host/")

    async with run_child(["/usr/bin/env"], Limits(5), stall_seconds=5, cwd=tmp_path) as child:
        seen = await read_all(child)

    assert b"secret" not in seen


async def test_memory_and_files_of_a_child_are_limited(tmp_path: Path) -> None:
    limits = Limits(5, memory_bytes=300_000_000, file_bytes=1_000_000)
    argv = ["/bin/sh", "-c", "ulimit -v; ulimit -f; ulimit -n; ulimit -c"]

    async with run_child(argv, limits, stall_seconds=5, cwd=tmp_path) as child:
        seen = await read_all(child)

    assert seen.split()[0] == b"292968"  # KiB
    assert seen.split()[1] in (b"976", b"1953")  # KiB, or blocks of 512 bytes in POSIX mode
    assert seen.split()[2:] == [b"256", b"0"]


async def test_an_mp3_that_outgrows_what_the_packets_carry_is_stopped(
    engine: FfmpegEngine, media: MediaMaker
) -> None:
    tone = media.make("two_minutes.mp3", "-b:a", "32k", seconds=120, video=False)
    target = tone.with_name("outgrown.mp3")

    with pytest.raises(OutOfProportion):
        await engine.encode(tone, target, recipe_of(1, Options(bitrate_kbps=320)), lambda _: None)

    assert target.stat().st_size < 120 * 40_000


async def test_a_decoder_that_is_not_listed_is_not_used(
    engine: FfmpegEngine, media: MediaMaker
) -> None:
    # One bit a sample, for a game's cassettes; any ffmpeg can decode it.
    tone = media.make("dfpwm.wav", "-c:a", "dfpwm", rate=48_000, video=False)

    with pytest.raises(UnreadableVideo):
        await engine.encode(tone, tone.with_name("none.mp3"), recipe_of(3), lambda _: None)


def test_the_configured_program_comes_first() -> None:
    assert find_ffmpeg("/opt/ffmpeg") == "/opt/ffmpeg"


def test_a_program_that_is_not_there_is_found_out_at_once() -> None:
    with pytest.raises(EngineFailure):
        FfmpegEngine(os.devnull, Patience())


def test_the_name_is_the_version(tmp_path: Path) -> None:
    assert FfmpegEngine(stub(tmp_path, ""), Patience()).name == "ffmpeg 7.1"
