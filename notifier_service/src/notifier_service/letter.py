"""Word the letter that tells of a conversion; every part made by a user is cleaned first."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from html import escape
from typing import assert_never

from notifier_service.domain import Delivery, Outcome

LONGEST_NAME = 120
LONGEST_REASON = 500

# Cc and Cs are no text, Zl and Zp break lines: in a header they would begin another one.
CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
# These make "gpj.exe" read "exe.jpg".
BIDIRECTIONAL = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)

PAGE = """\
<!doctype html>
<html lang="en">
<body style="font-family: sans-serif; line-height: 1.5">
<p>{first}</p>
<p><a href="{link}">{label}</a></p>
<p style="color: #666">{why}</p>
</body>
</html>
"""
WHY = "You get this mail because you asked Tonearm for a conversion."


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all letters have in common: who sends them and where their links lead."""

    sender: str
    public_url: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, whatever carries it. No header holds a line break or another control character."""

    sender: str
    recipient: str
    subject: str
    text: str
    html: str
    message_id: str
    date: datetime


def compose(delivery: Delivery, letterhead: Letterhead) -> Letter:
    """Write the letter. The same delivery always gets the same letter, Message-ID included.

    So a receiver can tell a repeat after a crash (RFC 5322, section 3.6.4).
    """
    notice = delivery.notice
    name = clean(notice.video_filename, LONGEST_NAME)
    link = f"{letterhead.public_url}/#/conversions/{notice.conversion_id}"
    match notice.outcome:
        case Outcome.SUCCEEDED:
            subject = "Your MP3 is ready"
            first = f"The MP3 of {name or 'your video'} is ready."
            label = "Play or download it"
        case Outcome.FAILED:
            subject = "Your video could not be converted"
            reason = clean(notice.failure_message, LONGEST_REASON) or "The reason is not known."
            first = f"{name or 'Your video'} could not be converted. {reason}"
            label = "See the conversion"
        case _:
            assert_never(notice.outcome)
    return Letter(
        sender=letterhead.sender,
        recipient=notice.recipient,
        subject=f"{subject}: {name}" if name else subject,
        # Alone on its line the link survives every encoding and every mail program.
        text=f"{first}\n\n{label}:\n{link}\n\n{WHY}\n",
        html=PAGE.format(first=escape(first), link=escape(link), label=label, why=WHY),
        message_id=f"<{delivery.key.replace(':', '.')}@{domain_of(letterhead.sender)}>",
        date=delivery.requested_at,
    )


def clean(text: str, longest: int) -> str:
    """Make one line of text: no control characters, single spaces, cut to `longest`."""
    shown = "".join(
        " " if unicodedata.category(character) in CONTROLS else character
        for character in text
        if character not in BIDIRECTIONAL
    )
    line = " ".join(shown.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def domain_of(sender: str) -> str:
    """Tell the domain of "name@domain" or "Display Name <name@domain>"."""
    return parseaddr(sender)[1].rpartition("@")[2]
