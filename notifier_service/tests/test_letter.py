"""What a letter says, and what no user can make it say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from notifier_fakes import a_notice

from notifier_service.domain import Delivery, Notice, Outcome
from notifier_service.letter import Letter, Letterhead, clean, compose

LETTERHEAD = Letterhead("Tonearm <tonearm@mail.example>", "https://tonearm.example")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LINK = f"https://tonearm.example/#/conversions/{a_notice().conversion_id}"


def letter(notice: Notice) -> Letter:
    return compose(Delivery.requested(notice, MOMENT), LETTERHEAD)


def a_failure(message: str = "The file has no audio track.") -> Notice:
    return replace(a_notice(), outcome=Outcome.FAILED, failure_message=message)


def test_a_letter_of_success_names_the_video_and_leads_to_its_conversion() -> None:
    written = letter(a_notice())

    assert written.subject == "Your MP3 is ready: holiday.mp4"
    assert "holiday.mp4 is ready" in written.text
    assert LINK in written.text.splitlines()
    assert f'href="{LINK}"' in written.html


def test_a_letter_of_failure_gives_the_reason_in_words() -> None:
    written = letter(a_failure())

    assert written.subject == "Your video could not be converted: holiday.mp4"
    assert "The file has no audio track." in written.text
    assert "The file has no audio track." in written.html
    assert LINK in written.text.splitlines()


def test_a_failure_without_words_still_makes_a_letter() -> None:
    assert "The reason is not known." in letter(a_failure("")).text


def test_a_video_without_a_name_is_your_video() -> None:
    written = letter(a_notice(name=" \n"))

    assert written.subject == "Your MP3 is ready"
    assert "The MP3 of your video is ready." in written.text


def test_the_same_delivery_always_gets_the_same_letter() -> None:
    delivery = Delivery.requested(a_notice(), MOMENT)

    first, second = (
        compose(delivery, LETTERHEAD),
        compose(replace(delivery, attempts=7), LETTERHEAD),
    )

    assert first == second
    assert first.message_id == f"<{a_notice().conversion_id}.mail@mail.example>"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\r\nBcc: eve@example.org", "a Bcc: eve@example.org"),
        ("tab\tnul\x00del\x7f", "tab nul del"),
        ("line\u2028paragraph\u2029next\x85", "line paragraph next"),
        ("\u202egpj.exe", "gpj.exe"),
        ("Köln 🎬 日本.mp4", "Köln 🎬 日本.mp4"),
        ("👩\u200d🎤.mp4", "👩\u200d🎤.mp4"),
        ("x" * 300, "x" * 119 + "…"),
    ],
)
def test_names_are_shown_as_one_harmless_line(name: str, shown: str) -> None:
    assert clean(name, 120) == shown
    assert letter(a_notice(name=name)).subject == f"Your MP3 is ready: {shown}"


def test_a_name_cannot_write_html() -> None:
    written = letter(a_notice(name='<img src=x onerror="alert(1)">.mp4'))

    assert "<img" not in written.html
    assert "&lt;img" in written.html
