"""Look into the mailbox folder."""

from __future__ import annotations

import email.policy
import time
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path


def wait_for_mail(mailbox: Path, recipient: str, *, seconds: float) -> tuple[Path, EmailMessage]:
    """Wait for a mail to that address and return the first; raises `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while True:
        for file in sorted(mailbox.glob("*.eml")):
            message = BytesParser(policy=email.policy.default).parsebytes(file.read_bytes())
            if recipient in str(message["To"]):
                return file, message
        if time.monotonic() > deadline:
            raise TimeoutError(f"no mail to {recipient} within {seconds:.0f} s in {mailbox}")
        time.sleep(0.1)


def text_of(message: EmailMessage) -> str:
    """Return what a person would read first."""
    body = message.get_body(("plain", "html"))
    return str(body.get_content()).strip() if body is not None else ""
