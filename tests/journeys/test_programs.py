"""The main job as programs do it: curl and Python as `make up` prints them, and grpcurl."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from media import audio_seconds
from rest_client import PASSWORD, Account, RestClient

from tonearm_local.account import Account as ReadyAccount
from tonearm_local.pasting import snippet
from tonearm_local.stack import Stack

ROOT = Path(__file__).parents[2]
RUN_SECONDS = 120
# `make up` generates passwords of hexadecimal digits, which no shell takes for anything else.
PASTED_PASSWORD = "0123456789abcdef01234567"


NewCaller = Callable[[], RestClient]


def grpcurl_program() -> str:
    """Find grpcurl, or skip."""
    built = ROOT / ".build" / "bin" / "grpcurl"
    found = str(built) if built.exists() else shutil.which("grpcurl")
    if found is None:
        if os.environ.get("REQUIRE_REAL"):
            pytest.fail("REQUIRE_REAL is set, and grpcurl is not installed")
        pytest.skip("grpcurl is not installed: deploy/real/install grpcurl")
    return found


class Grpcurl:
    """grpcurl against the public port; it knows the services by reflection alone."""

    def __init__(self, stack: Stack) -> None:
        """Call the stack's public port."""
        self._program = grpcurl_program()
        self._address = urlsplit(stack.url).netloc
        self.token = ""

    def run(self, *words: str, send: str = "") -> str:
        """Run it with a request on standard input; give what it printed."""
        header = ("-H", f"authorization: Bearer {self.token}") if self.token else ()
        body = ("-d", "@") if send else ()
        command = [self._program, "-plaintext", *header, *body, self._address, *words]
        done = subprocess.run(
            command, input=send, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def call(self, method: str, *messages: object) -> list[dict[str, object]]:
        """Call a method with these messages; give the messages it answered."""
        sent = "\n".join(json.dumps(each) for each in messages) or "{}"
        text = self.run(method, send=sent)
        decoder, answers = json.JSONDecoder(), []
        while text := text.strip():
            answer, end = decoder.raw_decode(text)
            answers.append(answer)
            text = text[end:]
        return answers


def test_grpcurl_finds_every_public_service_by_reflection(stack: Stack) -> None:
    listed = Grpcurl(stack).run("list").split()

    assert {
        "tonearm.auth.v1.AuthService",
        "tonearm.gateway.v1.AudioService",
        "tonearm.gateway.v1.ConversionService",
        "tonearm.gateway.v1.UploadService",
        "tonearm.notifier.v1.NotifierService",
    } <= set(listed)
    assert not any("converter" in each for each in listed)


def test_grpcurl_does_the_whole_job(
    new_caller: NewCaller, stack: Stack, video: Path, tmp_path: Path
) -> None:
    grpcurl = Grpcurl(stack)
    account = new_caller().register()
    body = video.read_bytes()
    (login,) = grpcurl.call(
        "tonearm.auth.v1.AuthService/Login", {"email": account.email, "password": PASSWORD}
    )
    # Python's descriptors carry no JSON names, so that grpcurl shows the fields' own.
    grpcurl.token = str(login["access_token"])
    pieces = [body[start : start + 200_000] for start in range(0, len(body), 200_000)]

    (answer,) = grpcurl.call(
        "tonearm.gateway.v1.UploadService/UploadVideo",
        {"filename": "holiday.mp4", "size_bytes": len(body)},
        *({"video": {"data": base64.b64encode(piece).decode()}} for piece in pieces),
    )
    own = answer["conversion"]
    assert isinstance(own, dict)
    watched = grpcurl.call(
        "tonearm.gateway.v1.ConversionService/WatchConversion", {"conversion_id": own["id"]}
    )
    downloaded = grpcurl.call(
        "tonearm.gateway.v1.AudioService/DownloadAudio", {"conversion_id": own["id"]}
    )

    last = watched[-1]["conversion"]
    assert isinstance(last, dict)
    assert last["state"] == "SUCCEEDED"
    mp3 = tmp_path / "a.mp3"
    mp3.write_bytes(b"".join(base64.b64decode(piece_of(each)) for each in downloaded))
    assert audio_seconds(mp3) == pytest.approx(audio_seconds(video), abs=0.03)


def piece_of(message: dict[str, object]) -> str:
    """Read the bytes of a piece of audio."""
    audio = message["audio"]
    assert isinstance(audio, dict)
    return str(audio["data"])


def run_pasted(name: str, stack: Stack, account: Account, video: Path, directory: Path) -> str:
    """Paste a snippet of `make up` into a shell; give what it printed."""
    pasted = snippet(
        name, url=stack.url, account=ReadyAccount(account.email, account.password), video=video
    )
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", pasted],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["curl", "python"])
def test_what_make_up_prints_does_the_whole_job(
    new_caller: NewCaller, stack: Stack, video: Path, tmp_path: Path, name: str
) -> None:
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    shown = run_pasted(name, stack, new_caller().register(PASTED_PASSWORD), video, tmp_path)

    assert "SUCCEEDED" in shown
    assert audio_seconds(tmp_path / "tonearm.mp3") == pytest.approx(audio_seconds(video), abs=0.03)


def test_the_grpcurl_call_that_make_up_prints_lists_ones_conversions(
    new_caller: NewCaller, stack: Stack, video: Path, tmp_path: Path
) -> None:
    grpcurl_program()
    caller = new_caller()
    account = caller.register(PASTED_PASSWORD)
    caller.login(account)
    own = caller.converted(video)["id"]

    shown = run_pasted("grpcurl", stack, account, video, tmp_path)

    assert [each["id"] for each in json.loads(shown)["conversions"]] == [own]
