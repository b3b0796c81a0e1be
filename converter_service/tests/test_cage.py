"""What a program in the cage can do to the world outside, and what it still can do inside."""

from __future__ import annotations

import os
import platform
import signal
import socket
from pathlib import Path

import pytest
from converter_cage import FakeKernel, run, run_python
from converter_fakes import recipe_of
from converter_media import MediaMaker

from converter_service.adapters.cage import calls, seccomp
from converter_service.adapters.cage.shape import Cage
from converter_service.adapters.child import CannotBeHeld, Limits, run_child
from converter_service.adapters.ffmpeg import FfmpegEngine, find_ffmpeg
from converter_service.domain import Options, Recipe, UnreadableVideo

CANARY = b"canary-5b1f0c"
x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="these calls exist on x86-64 only"
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The scratch directory of the caged program."""
    directory = tmp_path / "own"
    directory.mkdir()
    return directory


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The scratch directory of another conversion."""
    directory = tmp_path / "other"
    directory.mkdir()
    (directory / "video").write_bytes(CANARY)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def looks(path: Path) -> tuple[int, ...]:
    """Give what an owner can change; not when it was read last, which this test does."""
    it = path.stat()
    return (it.st_mode, it.st_uid, it.st_gid, it.st_nlink, it.st_size, it.st_mtime_ns)


async def test_a_caged_program_reads_and_writes_its_own_directory(own: Path) -> None:
    (own / "video").write_bytes(b"what came")
    code = "import pathlib as p; p.Path('made').write_bytes(p.Path('video').read_bytes() * 2)"

    ending = await run_python(code, own)

    assert ending.status == 0, ending.errors
    assert (own / "made").read_bytes() == b"what camewhat came"


async def test_a_caged_program_cannot_read_the_files_of_another_conversion(
    own: Path, other: Path
) -> None:
    ending = await run(["/bin/cat", str(other / "video"), "../other/video"], own)

    assert ending.status != 0
    assert ending.said == b""


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/proc/1/cmdline"])
async def test_a_caged_program_reads_nothing_of_the_system_but_programs(
    path: str, own: Path
) -> None:
    ending = await run(["/bin/cat", path], own)

    assert ending.status != 0
    assert ending.said == b""


async def test_a_caged_program_cannot_see_what_its_parent_knows(own: Path) -> None:
    ending = await run(["/bin/cat", f"/proc/{os.getpid()}/environ"], own)

    assert ending.said == b""


@pytest.mark.parametrize(
    "harm",
    [
        "open(path + '-new', 'w')",
        "open(path, 'r+')",
        "os.mkdir(path + '-new')",
        "os.truncate(path, 0)",
        "os.chmod(path, 0)",
        "os.chown(path, 1, 1)",
        "os.utime(path)",
        "os.setxattr(path, 'user.mark', b'')",
        "os.unlink(path)",
        "os.rename(path, path + '-new')",
        "os.rename(path, 'mine')",
        "os.link(path, 'mine')",
    ],
)
async def test_a_caged_program_cannot_change_anything_outside(
    harm: str, own: Path, other: Path
) -> None:
    before = looks(other / "video")

    ending = await run_python(f"import os, sys; path = sys.argv[1]; {harm}", own, other / "video")

    assert "PermissionError" in ending.errors
    assert contents(other) == {"video": CANARY}
    assert looks(other / "video") == before
    assert contents(own) == {}


@pytest.mark.parametrize("trap", ["os.symlink('/etc/passwd', 'mine')", "os.mkfifo('mine')"])
async def test_a_caged_program_leaves_nothing_that_leads_the_service_elsewhere(
    trap: str, own: Path
) -> None:
    ending = await run_python(f"import os; {trap}", own)

    assert "PermissionError" in ending.errors
    assert contents(own) == {}


async def test_a_caged_program_cannot_start_what_it_wrote(own: Path) -> None:
    code = "import os; open('mine', 'w').write('#!/bin/sh'); os.execv('mine', ['mine'])"
    (own / "mine").touch(mode=0o700)

    ending = await run_python(code, own)

    assert "PermissionError" in ending.errors


@pytest.mark.parametrize(
    "code",
    [
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
        "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socketpair(type=socket.SOCK_DGRAM)",
    ],
)
async def test_a_caged_program_cannot_open_a_socket(code: str, own: Path) -> None:
    ending = await run_python(f"import socket; {code}", own)

    assert "PermissionError" in ending.errors


@pytest.mark.parametrize("deed", ["connect(('127.0.0.1', port))", "bind(('127.0.0.1', 0))"])
async def test_landlock_alone_keeps_a_program_from_tcp(deed: str, own: Path) -> None:
    code = f"import socket, sys; port = int(sys.argv[1]); socket.socket().{deed}"

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        ending = await run_python(code, own, port, cage=Cage(("landlock",)))

    assert "PermissionError" in ending.errors


async def test_a_caged_program_cannot_signal_its_parent(own: Path) -> None:
    ending = await run_python(f"import os; os.kill({os.getpid()}, 0)", own)

    assert "PermissionError" in ending.errors


# Raw system calls: not every C library wraps them.
RAW = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
done = libc.syscall(*[ctypes.c_long(int(it)) for it in sys.argv[1:]])
print(errno.errorcode[ctypes.get_errno()] if done < 0 else done)
"""
PTRACE_SEIZE = 0x4206
NEW_USER, NEW_NETWORK, NEW_MOUNTS = 0x10000000, 0x40000000, 0x00020000


def number(call: str) -> int:
    """Give the number of a system call that the cage denies, on this machine."""
    tables = ", ".join(
        [calls.DENIED, calls.UNKNOWN, calls.CLONE, calls.PRCTL, *calls.OF_THE_CALLER]
    )
    (found,) = [it for it in tables.split(", ") if it.split()[0] == call]
    return calls.numbers(found, platform.machine())[0]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("ptrace", (PTRACE_SEIZE, os.getpid(), 0, 0)),
        ("process_vm_readv", (os.getpid(), 0, 0, 0, 0, 0)),
        ("prlimit64", (os.getpid(), 0, 0, 0)),
        ("prlimit64", (0, 0, 1 << 32, 0)),
        ("unshare", (NEW_USER,)),
        ("unshare", (NEW_NETWORK,)),
        ("clone", (NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)),
        ("clone", (NEW_MOUNTS | signal.SIGCHLD, 0, 0, 0, 0)),
        ("io_uring_setup", (1, 0)),
        ("bpf", (0, 0, 0)),
        ("keyctl", (0, 0, 0)),
        ("mount", (0, 0, 0, 0, 0)),
        ("prctl", (seccomp.PR_SET_PDEATHSIG, 0)),
    ],
)
async def test_a_caged_program_is_denied_what_reaches_others_or_the_kernel(
    call: str, arguments: tuple[int, ...], own: Path
) -> None:
    ending = await run_python(RAW, own, str(number(call)), *map(str, arguments))

    assert ending.said == b"EPERM\n"


async def test_calls_that_no_filter_can_judge_do_not_exist(own: Path) -> None:
    ending = await run_python(RAW, own, str(number("clone3")), "0", "0")

    assert ending.said == b"ENOSYS\n"


@x86_64
async def test_a_call_by_the_numbers_of_x32_is_deadly(own: Path) -> None:
    ending = await run_python(RAW, own, str(seccomp.X32_BIT + 39))

    assert ending.status == -signal.SIGSYS


@x86_64
async def test_a_call_by_the_numbers_of_32_bits_is_deadly(own: Path) -> None:
    code = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex('b814000000cd80c3'))  # getpid by int 0x80
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""

    ending = await run_python(code, own)

    # A kernel without the 32-bit calls kills by itself.
    assert ending.status in (-signal.SIGSYS, -signal.SIGSEGV)


@pytest.mark.parametrize("way", ["os.setsid()", "os.setpgid(0, 0)"])
async def test_a_caged_program_cannot_leave_the_group_that_is_killed(way: str, own: Path) -> None:
    code = f"import os, sys\nif os.fork(): os.wait(); sys.exit()\n{way}"

    ending = await run_python(code, own)

    assert "PermissionError" in ending.errors


async def test_what_a_caged_program_starts_is_in_the_cage_too(own: Path, other: Path) -> None:
    script = f"cat {other}/video; (cat {other}/video); echo on >{other}/new"

    ending = await run(["/bin/sh", "-c", script], own)

    assert ending.said == b""
    assert contents(other) == {"video": CANARY}


async def test_a_caged_python_can_run_programs_and_an_event_loop(own: Path) -> None:
    code = """
import asyncio, concurrent.futures, os, subprocess
async def main():
    program = await asyncio.create_subprocess_exec('/bin/cat', stdin=-1, stdout=-1)
    print((await program.communicate(b'piped'))[0].decode())
asyncio.run(main())
with concurrent.futures.ThreadPoolExecutor(4) as threads:
    print(*threads.map(subprocess.getoutput, ['echo a', 'echo b']))
os.close(os.memfd_create('memory'))
"""

    ending = await run_python(code, own)

    assert ending.said == b"piped\na b\n", ending.errors


async def test_a_program_that_cannot_be_held_does_not_run(own: Path) -> None:
    limits = Limits(60, open_files=3)  # too few to make the rules

    with pytest.raises(CannotBeHeld, match="landlock"):
        async with run_child(["/bin/touch", "ran"], limits, stall_seconds=60, cwd=own):
            raise AssertionError("it runs")

    assert contents(own) == {}


async def test_a_layer_that_nobody_knows_is_not_left_out(own: Path) -> None:
    with pytest.raises(CannotBeHeld, match="moat"):
        await run(["/bin/touch", "ran"], own, Cage(("landlock", "seccomp", "moat")))

    assert contents(own) == {}


async def test_real_media_is_inspected_encoded_and_decoded_in_the_cage(
    engine: FfmpegEngine, media: MediaMaker, own: Path
) -> None:
    video = own / "video"
    video.write_bytes(media.make("caged.mp4", "-c:v", "mpeg4", "-c:a", "aac").read_bytes())

    source = await engine.inspect(video)
    recipe = Recipe.of(Options(), source)
    await engine.encode(video, own / "audio.mp3", recipe, lambda _: None)
    audio = await engine.decode(own / "audio.mp3", recipe)

    assert (source.container, source.track.audio.codec) == ("mov", "aac")
    assert audio.seconds == pytest.approx(3, abs=0.1)


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{}\n#EXT-X-ENDLIST\n"
REFERENCES = {
    "concat": ("ffconcat version 1.0\nfile '{}'\n", ["-f", "concat", "-safe", "0"]),
    "hls": (HLS, ["-f", "hls", "-allowed_extensions", "ALL", "-extension_picky", "0"]),
    "subtitles": ("1\n00:00:00,000 --> 00:00:02,000\n<img src='{}'>\n", ["-f", "srt"]),
}


@pytest.mark.parametrize("kind", REFERENCES)
async def test_a_reference_to_another_file_gives_the_engine_nothing(
    kind: str, engine: FfmpegEngine, media: MediaMaker, own: Path
) -> None:
    canary = media.make("tagged.mp3", video=False)
    video = own / "video.mp4"
    video.write_text(REFERENCES[kind][0].format(canary))

    with pytest.raises(UnreadableVideo):
        await engine.encode(video, own / "audio.mp3", recipe_of(3), lambda _: None)

    assert contents(own).get("audio.mp3", b"") == b""


@pytest.mark.parametrize("kind", ["concat", "hls"])
@pytest.mark.parametrize(("cage", "bytes_got"), [(Cage(), False), (Cage(()), True)])
async def test_even_an_ffmpeg_that_follows_references_gets_nothing_in_the_cage(
    kind: str, cage: Cage, *, bytes_got: bool, media: MediaMaker, own: Path
) -> None:
    canary = media.make("tagged.mp3", video=False)
    text, options = REFERENCES[kind]
    (own / "video.mp4").write_text(text.format(canary))
    ffmpeg = find_ffmpeg("")
    argv = [ffmpeg, "-v", "error", *options, "-i", "video.mp4", "-c", "copy", "-f", "mp3", "got"]

    await run(argv, own, cage.with_program(Path(ffmpeg)))

    got = (own / "got").read_bytes() if (own / "got").exists() else b""
    assert bool(got) is bytes_got


@pytest.mark.parametrize("machine", calls.ARCHITECTURES)
def test_the_filter_of_each_architecture_decides_by_number_and_argument(machine: str) -> None:
    kernel = FakeKernel(seccomp.program(machine))
    here = seccomp.AUDIT_ARCHITECTURES[machine]
    (clone,) = calls.numbers(calls.CLONE, machine)
    (pair,) = calls.numbers(calls.SOCKETPAIR, machine)
    (limit,) = calls.numbers("prlimit64 302 261", machine)
    (priority,) = calls.numbers("setpriority 141 140", machine)

    denied = {kernel.decide(here, it) for it in calls.numbers(calls.DENIED, machine)}
    read = kernel.decide(here, {"x86_64": 0, "aarch64": 63}[machine], 3)

    assert denied == {seccomp.DENY}
    assert read == seccomp.ALLOW
    assert kernel.decide(here, clone, signal.SIGCHLD) == seccomp.ALLOW
    assert kernel.decide(here, clone, signal.SIGCHLD | NEW_NETWORK) == seccomp.DENY
    assert kernel.decide(here, pair, 1, 1 | 0x80000) == seccomp.ALLOW
    assert kernel.decide(here, pair, 1, 2) == seccomp.DENY
    assert kernel.decide(here, pair, 2, 1) == seccomp.DENY
    assert kernel.decide(here, priority, 0, 0, 5) == seccomp.ALLOW
    assert kernel.decide(here, priority, 2, 0, 5) == seccomp.DENY
    assert kernel.decide(here, priority, 0, 1, 5) == seccomp.DENY
    assert kernel.decide(here, limit, 0, 7, 0, 0x7FFF00000000) == seccomp.ALLOW
    assert kernel.decide(here, limit, 0, 7, 0x7FFF00000000, 0) == seccomp.DENY
    assert kernel.decide(here, calls.LAST_KNOWN + 1) == seccomp.UNKNOWN
    assert kernel.decide(here, seccomp.X32_BIT | 1) == seccomp.KILL
    assert kernel.decide(here ^ 1, 0) == seccomp.KILL
