"""The main job once, from sign-up to MP3 and mail, on a stack of its own that ends with it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from tonearm_local.account import Account, connection, log_in, register
from tonearm_local.client import FINAL, download, upload, watch
from tonearm_local.listening import check
from tonearm_local.mails import text_of, wait_for_mail
from tonearm_local.sample import sample_video
from tonearm_local.stack import Stack

MAIL_SECONDS = 20.0
KEPT = (
    "tonearm-demo.mp3",
    "ode-to-joy.mp4",
    "logs",
    "mailbox",
    "lock",
    "ports.json",
    "secrets.json",
)


class Unconverted(Exception):
    """The conversion did not end with an MP3."""


def demonstrate(stack: Stack, video: Path | None, console: Console) -> None:
    """Run the main job and show every step; the stack is stopped however this ends.

    Raises what failed. Only the MP3, the mail, the logs and the sample video stay: the data of a
    demonstration would only pile up.
    """
    began = time.monotonic()
    root = stack.directory.root
    try:
        with ThreadPoolExecutor(1) as aside:
            chosen = aside.submit(lambda: video or sample_video(root))
            console.print("Starting the stack ...")
            stack.start()
        console.print(f"It is ready at {stack.url} after {time.monotonic() - began:.1f} s.")
        _main_job(stack, chosen.result(), console)
        console.print("Stopping everything ...")
    finally:
        stack.stop()
        _forget(root)
    console.print(f"Done in {time.monotonic() - began:.1f} s.", style="bold")


def _main_job(stack: Stack, video: Path, console: Console) -> None:
    account = Account.generated()
    audio = stack.directory.root / "tonearm-demo.mp3"
    with connection(stack.url) as client:
        register(client, account)
        client.headers["authorization"] = f"Bearer {log_in(client, account)}"
        console.print(f"Registered {account.email} and logged in.")
        conversion_id = _upload(client, video, console)
        _follow(watch(client, conversion_id), console)
        download(client, conversion_id, audio)
    heard = check(audio, video)
    console.print(
        f"Checked the MP3: it decodes to the end, plays {heard.seconds:.2f} s like the video, "
        f"and its level is {heard.loudest_dbfs:.1f} dBFS."
    )
    _show_mail(stack, account, console)
    console.print(f"The MP3 is here: {audio}", style="bold", soft_wrap=True)


def _upload(client: httpx.Client, video: Path, console: Console) -> str:
    began = time.monotonic()
    conversion_id = upload(client, video)
    seconds, size = time.monotonic() - began, video.stat().st_size
    console.print(f"Uploaded {video} ({size:,} bytes) in {seconds:.2f} s.", soft_wrap=True)
    return conversion_id


def _follow(conversions: Iterable[dict[str, Any]], console: Console) -> None:
    conversion: dict[str, Any] = {"state": "unknown"}
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
            bar = progress.add_task("QUEUED", total=1.0)
            for conversion in conversions:
                progress.update(bar, description=conversion["state"], completed=_share(conversion))
    else:
        for conversion in conversions:
            console.print(f"{conversion['state']} {_share(conversion):.0%}")
    if conversion["state"] != "SUCCEEDED":
        reason = conversion.get("error") or {}
        ended = "ended" if conversion["state"] in FINAL else "was last seen"
        raise Unconverted(f"the conversion {ended} {conversion['state']}: {reason.get('message')}")


def _share(conversion: dict[str, Any]) -> float:
    return 1.0 if conversion["state"] == "SUCCEEDED" else float(conversion.get("progress", 0))


def _show_mail(stack: Stack, account: Account, console: Console) -> None:
    file, message = wait_for_mail(stack.mailbox, account.email, seconds=MAIL_SECONDS)
    console.print(f"The mail that was sent ({file}):", soft_wrap=True)
    lines = [f"{name}: {message[name]}" for name in ("From", "To", "Subject")]
    for line in [*lines, "", *text_of(message).splitlines()]:
        console.print(f"  | {line}", markup=False, highlight=False, soft_wrap=True)


def _forget(root: Path) -> None:
    for entry in root.iterdir():
        if entry.name in KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
