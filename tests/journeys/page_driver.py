"""Drives the web page as a person would: by what is written on it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, expect, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CONVERSION_MILLISECONDS = 60_000
ANSWER_MILLISECONDS = 15_000

# Runs before the page's own scripts and keeps every figure its bars ever showed: on a fast machine
# a bar may be gone before a test has looked at it.
RECORD_BARS = """
  window.shownByBars = [];
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.matches('progress') && target.hasAttribute('value')) {
        window.shownByBars.push([target.labels[0].textContent.trim(), target.value]);
      }
    }
  }).observe(document, { subtree: true, attributeFilter: ['value'] });
"""


def find_chromium() -> str | None:
    """Find a Chromium: the one that CHROMIUM names, else the first on the PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@contextmanager
def running_chromium(executable: str) -> Iterator[Browser]:
    """Run a headless Chromium until the block ends."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=list(CHROMIUM_ARGUMENTS)
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True, slots=True)
class Player:
    """What the audio element knows of the audio; `problem` is empty unless it cannot be played."""

    ready_state: int
    duration_seconds: float
    problem: str


class TonearmPage:
    """The page in one browser window; `complaints` holds what the browser's console said of it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.complaints: list[str] = []
        self._url = url
        self._context = context
        self._page = context.new_page()
        self._page.set_default_timeout(ANSWER_MILLISECONDS)
        self._page.add_init_script(RECORD_BARS)
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._page.on("console", lambda line: self._note(line.type, line.text))

    def open(self, address: str = "/") -> None:
        """Open the page at an address below the stack's own, as a link in a mail would."""
        self._page.goto(f"{self._url}{address}")

    def sign_up(self, email: str, password: str) -> None:
        """Open an account with the form and arrive signed in."""
        self._button("Create an account").click()
        self._fill_in(email, password)
        self._button("Create account").click()
        expect(self._button("Sign out")).to_be_visible(timeout=ANSWER_MILLISECONDS)

    def sign_in(self, email: str, password: str) -> None:
        """Sign in with the form."""
        self._fill_in(email, password)
        self._button("Sign in").click()
        expect(self._button("Sign out")).to_be_visible(timeout=ANSWER_MILLISECONDS)

    def try_to_sign_in(self, email: str, password: str) -> str:
        """Sign in where it must fail, and read why."""
        self._fill_in(email, password)
        self._button("Sign in").click()
        return self._shown_alert()

    def sign_out(self) -> None:
        """Sign out with the button."""
        self._button("Sign out").click()
        self.wait_for_sign_in()

    def wait_for_sign_in(self) -> None:
        """Wait until the page asks to sign in."""
        expect(self._heading("Sign in")).to_be_visible(timeout=ANSWER_MILLISECONDS)

    def choose_file(self, path: Path) -> None:
        """Choose a file in the file dialog."""
        self._page.get_by_label("Drop a video here").set_input_files(path)

    def drop_file(self, path: Path) -> None:
        """Drag a file from outside the browser over the page and let it fall."""
        area = self._page.get_by_text("Drop a video here").bounding_box()
        assert area is not None, "there is nowhere to drop a video"
        devtools = self._context.new_cdp_session(self._page)
        for step in ("dragEnter", "dragOver", "drop"):
            devtools.send(
                "Input.dispatchDragEvent",
                {
                    "type": step,
                    "x": area["x"] + area["width"] / 2,
                    "y": area["y"] + area["height"] / 2,
                    "data": {"items": [], "files": [str(path)], "dragOperationsMask": 1},
                },
            )

    def wait_for_audio(self) -> None:
        """Wait until the conversion on show has succeeded and its audio has arrived."""
        download = self._page.get_by_role("link", name="Download MP3")
        expect(download).to_be_visible(timeout=CONVERSION_MILLISECONDS)

    def wait_for_failure(self) -> str:
        """Wait until the conversion on show has ended without audio, and read why."""
        return self._shown_alert(CONVERSION_MILLISECONDS)

    def press(self, name: str) -> None:
        """Press a button, as soon as it can be."""
        self._button(name).click()

    def wait_for_text(self, text: str) -> None:
        """Wait until something is written on the page."""
        self._page.get_by_text(text).filter(visible=True).first.wait_for()

    def play(self) -> Player:
        """Press play, wait until sound comes or cannot, and read the player."""
        state = self._page.locator("audio").evaluate(
            """async (audio) => {
                 const problem = await audio.play().then(() => '', String);
                 return [audio.readyState, audio.duration, problem];
               }"""
        )
        return Player(*state)

    def waveform_columns(self) -> int:
        """Wait for the picture of the audio; count what it is drawn of."""
        drawn = self._page.locator("#waveform path")
        drawn.wait_for()
        return (drawn.get_attribute("d") or "").count("M")

    def download(self, into: Path) -> Path:
        """Save the MP3 with the download link, under the name that the page gives it."""
        with self._page.expect_download() as downloading:
            self._page.get_by_role("link", name="Download MP3").click()
        path = into / downloading.value.suggested_filename
        downloading.value.save_as(path)
        return path

    def go_to_list(self) -> None:
        """Go back to the list of one's conversions, of which there must be some."""
        self._page.get_by_role("link", name="All conversions").click()
        self._page.get_by_role("listitem").first.wait_for()

    def open_from_list(self, filename: str) -> None:
        """Go back to the list and follow the newest entry of that name."""
        self.go_to_list()
        self._page.get_by_role("listitem").filter(has_text=filename).first.click()

    @property
    def title(self) -> str:
        """The heading on show."""
        return self._page.get_by_role("heading", level=1).filter(visible=True).inner_text()

    @property
    def conversion_id(self) -> str:
        """The conversion that the address names."""
        self._page.wait_for_url(re.compile(r"#/conversions/"), timeout=ANSWER_MILLISECONDS)
        return self._page.url.rpartition("/")[2]

    @property
    def reading(self) -> str:
        """All text on show."""
        return self._page.locator("main").inner_text()

    def shown_by_bars(self) -> list[tuple[str, float]]:
        """Every label and share that a progress bar has shown since the page was opened."""
        return [(label, share) for label, share in self._page.evaluate("window.shownByBars")]

    def spoil_token(self) -> None:
        """Have the page hold a token that no service accepts, as if its time had run out."""
        self._page.evaluate(
            """() => {
                 const session = JSON.parse(sessionStorage.getItem('tonearm.session'));
                 session.token = session.token.slice(0, -8) + 'AAAAAAAA';
                 sessionStorage.setItem('tonearm.session', JSON.stringify(session));
               }"""
        )
        self._page.reload()

    def kept_outside_the_session(self) -> list[str]:
        """Whatever the page keeps where it would outlive the window."""
        kept: list[str] = self._page.evaluate(
            "Object.values(localStorage).concat(document.cookie || [])"
        )
        return kept

    def _fill_in(self, email: str, password: str) -> None:
        self._page.get_by_label("E-mail address").fill(email)
        self._page.get_by_label("Password", exact=True).fill(password)

    def _shown_alert(self, milliseconds: float = ANSWER_MILLISECONDS) -> str:
        alert = self._page.get_by_role("alert").filter(visible=True)
        alert.wait_for(timeout=milliseconds)
        return alert.inner_text()

    def _button(self, name: str) -> Locator:
        return self._page.get_by_role("button", name=name, exact=True)

    def _heading(self, name: str) -> Locator:
        return self._page.get_by_role("heading", name=name, exact=True)

    def _note(self, kind: str, text: str) -> None:
        # The console also repeats every refusal of the API, which tests ask for on purpose.
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)
