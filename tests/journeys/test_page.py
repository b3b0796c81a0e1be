"""The main job as a person does it on the web page, in a real browser."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import av
import httpx
import pytest
from media import make_video
from playwright.sync_api import Browser

from .page_driver import TonearmPage, find_chromium, running_chromium

HAVE_ENOUGH_DATA = 4


class Stack(Protocol):
    """The running stack; `url` is its one public address."""

    @property
    def url(self) -> str: ...


class Account(Protocol):
    """An account that can sign in."""

    @property
    def email(self) -> str: ...
    @property
    def password(self) -> str: ...


NewAccount = Callable[[], Account]
NewPage = Callable[[], contextlib.AbstractContextManager[TonearmPage]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, or no journey on the page."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium: install one, or name it in the environment variable CHROMIUM")
    with running_chromium(executable) as browser:
        yield browser


@pytest.fixture
def new_page(browser: Browser, stack: Stack) -> NewPage:
    """Open windows that share nothing; the browser must have nothing to complain about in any."""

    @contextlib.contextmanager
    def open_window() -> Iterator[TonearmPage]:
        context = browser.new_context(accept_downloads=True)
        page = TonearmPage(context, stack.url)
        try:
            yield page
        finally:
            context.close()
        assert page.complaints == []

    return open_window


@pytest.fixture
def page(new_page: NewPage) -> Iterator[TonearmPage]:
    """One window."""
    with new_page() as page:
        yield page


def test_a_person_signs_up_drops_a_video_plays_the_audio_and_keeps_it(
    page: TonearmPage, stack: Stack, video: Path, tmp_path: Path
) -> None:
    email, password = f"{uuid.uuid4().hex}@example.org", "a long enough password"
    page.open()
    page.sign_up(email, password)
    page.sign_out()
    page.sign_in(email, password)

    page.drop_file(video)
    page.wait_for_audio()
    columns = page.waveform_columns()
    player = page.play()
    saved = page.download(tmp_path)

    assert page.title == video.name
    assert 1024 <= columns <= 2048
    assert player.problem == ""
    assert player.ready_state == HAVE_ENOUGH_DATA
    assert player.duration_seconds == pytest.approx(duration_seconds(video), abs=0.1)
    assert saved.name == f"{video.stem}.mp3"
    assert saved.read_bytes() == audio_by_api(stack, email, password, page.conversion_id)
    assert page.kept_outside_the_session() == []


def test_a_person_sees_how_far_the_upload_and_the_conversion_are(
    page: TonearmPage, video: Path, new_account: NewAccount
) -> None:
    account = new_account()
    page.open()
    page.sign_in(account.email, account.password)

    page.choose_file(video)
    page.wait_for_audio()

    shown = page.shown_by_bars()
    shares = [share for label, share in shown if label.startswith("Converting")]
    assert any(label.startswith("Uploading") for label, _ in shown)
    assert shares == sorted(shares)
    assert shares, "the page never showed how far the conversion was"


def test_a_file_that_is_no_video_is_told_apart_in_words(
    page: TonearmPage, new_account: NewAccount, tmp_path: Path
) -> None:
    account = new_account()
    text = tmp_path / 'letter "to" <b>you & me ♫.txt'
    text.write_text("Dear reader, this is not a video.", encoding="utf-8")
    page.open()
    page.sign_in(account.email, account.password)

    page.choose_file(text)
    reason = page.wait_for_failure()

    assert page.title == text.name
    assert reason.startswith("No MP3. ")
    assert len(reason) > len("No MP3. ")
    assert "unknown" not in reason
    assert "Download MP3" not in page.reading


def test_an_earlier_conversion_can_be_opened_from_the_list(
    page: TonearmPage, new_account: NewAccount, tmp_path: Path
) -> None:
    account = new_account()
    text = tmp_path / "letter.txt"
    text.write_text("Dear reader, this is not a video.", encoding="utf-8")
    page.open()
    page.sign_in(account.email, account.password)
    page.choose_file(text)
    reason = page.wait_for_failure()

    page.open_from_list(text.name)

    assert page.wait_for_failure() == reason
    assert page.title == text.name


def test_the_link_in_the_mail_opens_the_conversion_after_signing_in(
    new_page: NewPage, video: Path, new_account: NewAccount
) -> None:
    owner = new_account()
    with new_page() as page:
        page.open()
        page.sign_in(owner.email, owner.password)
        page.choose_file(video)
        link = f"/#/conversions/{page.conversion_id}"
        page.wait_for_audio()

    with new_page() as page:
        page.open(link)
        page.wait_for_sign_in()
        page.sign_in(owner.email, owner.password)
        page.wait_for_audio()

        assert page.title == video.name
        assert page.play().problem == ""


def test_nobody_else_sees_a_conversion(
    new_page: NewPage, video: Path, new_account: NewAccount
) -> None:
    owner, stranger = new_account(), new_account()
    with new_page() as page:
        page.open()
        page.sign_in(owner.email, owner.password)
        page.choose_file(video)
        link = f"/#/conversions/{page.conversion_id}"
        page.wait_for_audio()
        page.go_to_list()
        seen_by_owner = page.reading
        page.sign_out()
        page.sign_in(stranger.email, stranger.password)

        assert video.name in seen_by_owner
        assert video.name not in page.reading

    with new_page() as page:
        page.open(link)
        page.sign_in(stranger.email, stranger.password)

        assert page.wait_for_failure() == "There is no such conversion in your account."
        assert video.name not in page.reading


def test_a_token_that_has_run_out_costs_a_sign_in_and_nothing_else(
    page: TonearmPage, video: Path, new_account: NewAccount
) -> None:
    account = new_account()
    page.open()
    page.sign_in(account.email, account.password)
    page.choose_file(video)
    page.wait_for_audio()

    page.spoil_token()
    page.wait_for_sign_in()
    page.sign_in(account.email, account.password)
    page.wait_for_audio()

    assert page.title == video.name


def test_a_person_calls_a_conversion_off_and_has_it_done_after_all(
    page: TonearmPage, new_account: NewAccount, tmp_path: Path
) -> None:
    account = new_account()
    long = make_video(tmp_path / "long.mp4", seconds=900)
    page.open()
    page.sign_in(account.email, account.password)
    page.choose_file(long)
    called_off = page.conversion_id

    page.press("Cancel")
    page.wait_for_text("This conversion was called off.")
    page.press("Try again")
    page.wait_for_audio()

    assert page.conversion_id != called_off
    assert page.title == long.name


def test_a_person_deletes_a_conversion(
    page: TonearmPage, new_account: NewAccount, video: Path
) -> None:
    account = new_account()
    page.open()
    page.sign_in(account.email, account.password)
    page.choose_file(video)
    page.wait_for_audio()
    link = f"/#/conversions/{page.conversion_id}"

    page.press("Delete")
    assert page.title == video.name
    page.press("Delete for good")
    page.wait_for_text("Nothing yet.")

    page.open(link)
    assert page.wait_for_failure() == "There is no such conversion in your account."


def test_a_wrong_password_is_told_in_words(page: TonearmPage, new_account: NewAccount) -> None:
    account = new_account()
    page.open()

    told = page.try_to_sign_in(account.email, "not the password at all")

    assert told == "The address or the password is wrong."


def duration_seconds(media: Path) -> float:
    """Measure how long a file plays."""
    with av.open(str(media)) as container:
        assert container.duration is not None
        return container.duration / av.time_base


def audio_by_api(stack: Stack, email: str, password: str, conversion_id: str) -> bytes:
    """Download the same audio without the page."""
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        credentials = {"email": email, "password": password}
        token = client.post("/v1/login", json=credentials).raise_for_status().json()["access_token"]
        answer = client.get(
            f"/v1/conversions/{conversion_id}/audio", headers={"authorization": f"Bearer {token}"}
        )
        return answer.raise_for_status().content
