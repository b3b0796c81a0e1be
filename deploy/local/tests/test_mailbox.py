"""The mailbox is a mail server whose mails one can look into."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tonearm_local.blueprint import Answers
from tonearm_local.mails import text_of, wait_for_mail
from tonearm_local.ports import Ports
from tonearm_local.probes import obstacle


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path, subprocess.Popen[bytes]]]:
    port = Ports(tmp_path / "ports.json").get("smtp")
    folder = tmp_path / "mailbox"
    command = [sys.executable, "-m", "tonearm_local.mailbox"]
    command += ["--address", f"127.0.0.1:{port}", "--folder", str(folder)]
    with subprocess.Popen(command) as process:
        while obstacle(Answers(port, greeting="220")) is not None:
            assert process.poll() is None
        yield port, folder, process
        process.terminate()


def test_a_mail_becomes_a_file(server: tuple[int, Path, subprocess.Popen[bytes]]) -> None:
    port, folder, _ = server
    message = EmailMessage()
    message["From"], message["To"] = "tonearm@tonearm.example", "jürgen@tonearm.example"
    message["Subject"] = "Your MP3 is ready: Öde.mp4"
    message.set_content("It is here.\n")

    with smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message)
    file, found = wait_for_mail(folder, "jürgen@tonearm.example", seconds=5)

    assert file.suffix == ".eml"
    assert found["Subject"] == "Your MP3 is ready: Öde.mp4"
    assert text_of(found) == "It is here."


def test_the_mail_server_ends_with_status_0(
    server: tuple[int, Path, subprocess.Popen[bytes]],
) -> None:
    process = server[2]

    process.terminate()

    assert process.wait(timeout=5) == 0


def test_waiting_for_a_mail_ends(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="no mail to nobody@"):
        wait_for_mail(tmp_path, "nobody@tonearm.example", seconds=0)
