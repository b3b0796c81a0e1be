"""How a conversion changes, and what a good file name is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gateway_fakes import AUDIO, new_conversion

from gateway_service.domain import (
    Change,
    Conversion,
    Failed,
    Failure,
    MissingFilename,
    Notified,
    Progressed,
    Started,
    State,
    Succeeded,
    safe_filename,
)
from tonearm_chassis.testing.clock import START

FAILURE = Failure("NO_AUDIO", "The video has no sound.")
STARTED = Started(1, START)
HALF = Progressed(1, 0.5)
SUCCEEDED = Succeeded(1, AUDIO, START)
FAILED = Failed(1, FAILURE, START)


def told(conversion: Conversion, *changes: Change) -> Conversion:
    """Tell one change after the other, leaving out old news."""
    for change in changes:
        conversion = conversion.after(change, START) or conversion
    return conversion


def test_a_conversion_starts_proceeds_and_succeeds() -> None:
    ended = told(new_conversion(), STARTED, HALF, SUCCEEDED)

    assert (ended.state, ended.progress, ended.audio) == (State.SUCCEEDED, 1.0, AUDIO)
    assert (ended.start_time, ended.end_time) == (START, START)


def test_a_failure_says_why() -> None:
    ended = told(new_conversion(), STARTED, FAILED)

    assert (ended.state, ended.failure, ended.audio) == (State.FAILED, FAILURE, None)


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED])
@pytest.mark.parametrize(
    "later",
    [STARTED, HALF, SUCCEEDED, FAILED, Succeeded(9, AUDIO, START), Failed(9, FAILURE, START)],
)
def test_a_final_state_never_changes(end: Change, later: Change) -> None:
    ended = told(new_conversion(), STARTED, end)

    assert ended.after(later, START) is None


@pytest.mark.parametrize("stale", [STARTED, HALF, SUCCEEDED, FAILED])
def test_news_with_a_lower_fence_is_refused(stale: Change) -> None:
    running = told(new_conversion(), Started(2, START))

    assert running.after(stale, START) is None


@pytest.mark.parametrize("repeat", [STARTED, HALF, Progressed(1, 0.4)])
def test_repeated_and_reordered_news_changes_nothing(repeat: Change) -> None:
    running = told(new_conversion(), STARTED, HALF)

    assert running.after(repeat, START) is None


def test_success_may_be_the_first_that_is_heard() -> None:
    ended = told(new_conversion(), SUCCEEDED)

    assert (ended.state, ended.start_time) == (State.SUCCEEDED, START)


def test_another_worker_begins_at_nothing_again() -> None:
    taken_over = told(new_conversion(), STARTED, HALF, Started(2, START))

    assert (taken_over.state, taken_over.progress, taken_over.fence) == (State.RUNNING, 0.0, 2)


def test_progress_never_passes_one() -> None:
    assert told(new_conversion(), STARTED, Progressed(1, 1.7)).progress == 1.0


def test_a_sign_of_life_ends_the_reminders() -> None:
    reminded = replace(new_conversion(), reminders=5)

    assert told(reminded, STARTED).reminders == 0


def test_a_notice_is_noted_once_and_changes_no_state() -> None:
    ended = told(new_conversion(), SUCCEEDED)

    notified = told(ended, Notified())

    assert (notified.state, notified.notified) == (State.SUCCEEDED, True)
    assert notified.after(Notified(), START) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("holiday.mp4", "holiday.mp4"),
        ("/home/ada/holiday.mp4", "holiday.mp4"),
        ("..\\..\\windows\\holiday.mp4", "holiday.mp4"),
        ("../../etc/passwd", "passwd"),
        ('a"b\r\nSet-Cookie: x.mp4', 'a"bSet-Cookie: x.mp4'),
        ("été 🎬.mov", "été 🎬.mov"),
        ("gpj\u202e4pm.exe", "gpj4pm.exe"),
        ("  holiday.mp4. ", "holiday.mp4"),
        ("x" * 300 + ".mp4", "x" * 196 + ".mp4"),
        ("x" * 300, "x" * 200),
        ("a." + "x" * 300, "a." + "x" * 198),
    ],
)
def test_a_file_name_loses_directories_and_what_cannot_be_seen(given: str, kept: str) -> None:
    assert safe_filename(given) == kept


@pytest.mark.parametrize("given", ["", "/", "..", "\x00\x01", "  ", "a/"])
def test_what_leaves_no_name_is_refused(given: str) -> None:
    with pytest.raises(MissingFilename):
        safe_filename(given)


@pytest.mark.parametrize(
    ("video", "audio"),
    [
        ("holiday.mp4", "holiday.mp3"),
        ("a.b.mov", "a.b.mp3"),
        ("noext", "noext.mp3"),
        (".mp4", ".mp4.mp3"),
    ],
)
def test_the_audio_is_named_after_the_video(video: str, audio: str) -> None:
    conversion = new_conversion()

    named = replace(conversion, video=replace(conversion.video, filename=video))

    assert named.audio_filename == audio
