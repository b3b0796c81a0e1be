"""Nothing is lost when the whole stack is killed and started again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from media import make
from rest_client import RestClient

from tonearm_local.stack import Stack


@pytest.fixture
def long_audio(tmp_path: Path) -> Path:
    """Make audio that takes the encoder some seconds."""
    tone = ("-f", "lavfi", "-i", "sine=300:sample_rate=44100")
    return make(tmp_path / "long.m4a", *tone, "-t", "1200", "-c:a", "aac")


def kill_everything(stack: Stack) -> int:
    """Kill every process of the stack, the supervisor first, as a power cut would."""
    supervisor = psutil.Process(stack.states()["gateway"].pid).parent()
    assert supervisor is not None
    members = [supervisor, *supervisor.children(recursive=True)]
    for member in members:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(members, timeout=20)
    return len(members)


def test_a_conversion_survives_the_kill_of_the_whole_stack(
    tmp_path: Path, long_audio: Path
) -> None:
    stack = Stack(tmp_path / "stack")
    with stack, RestClient(stack.url) as caller:
        account = caller.register()
        caller.login(account)
        accepted = caller.upload(long_audio).json()["conversion"]["id"]
        for seen in caller.watch(accepted):
            if seen["state"] == "RUNNING":
                break
        address = stack.url

        assert kill_everything(stack) > 5

    with stack, RestClient(stack.url) as caller:
        caller.login(account)
        ended = caller.ended(accepted)
        download = caller.download(accepted)

    assert stack.url == address
    assert ended["state"] == "SUCCEEDED"
    assert len(download.content) == int(ended["audio"]["size_bytes"])
