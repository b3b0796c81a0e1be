"""The commands of the embedded stack: demo, up, down, status, logs, snippets, with."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
import httpx
from rich.console import Console

from tonearm_local import checkout
from tonearm_local.account import Account, Refused, connection, make_ready
from tonearm_local.blueprint import environment, load
from tonearm_local.demo import Unconverted, demonstrate
from tonearm_local.facts import facts, paste
from tonearm_local.listening import WrongAudio
from tonearm_local.logs import Line, follow, recent
from tonearm_local.pasting import NAMES
from tonearm_local.sample import VideoNotMade, sample_video
from tonearm_local.stack import Busy, Stack
from tonearm_local.status import report
from tonearm_local.supervision import NotStarted
from tonearm_local.waiting import NotReady

UNHEALTHY = 3
INTERRUPTED = 130
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EXPECTED = (
    Busy, NotReady, NotStarted, Refused, Unconverted, VideoNotMade, WrongAudio, TimeoutError,
    httpx.HTTPError, OSError,
)  # fmt: skip

directory_option = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=checkout.STACK,
    help="The data directory of the stack.",
)


@click.group()
def main() -> None:
    """Run Tonearm's embedded stack."""
    for number in INTERRUPTS:
        signal.signal(number, _interrupt_once)


@main.command()
@click.option("--video", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--directory", type=click.Path(path_type=Path), default=checkout.DEMO)
def demo(video: Path | None, directory: Path) -> None:
    """Convert a video once, from sign-up to MP3 and mail."""
    with _plain_failures():
        demonstrate(_stack(directory), video, Console(highlight=False))


@main.command()
@directory_option
def up(directory: Path) -> None:
    """Start the stack, leave it running, and say how to use it."""
    with _plain_failures():
        stack = _stack(directory)
        with ThreadPoolExecutor(1) as aside:
            video = aside.submit(sample_video, stack.directory.root)
            started = stack.start()
        video.result()
        account = Account.remembered(stack.directory.account)
        with connection(stack.url) as client:
            make_ready(client, account)
        click.echo("The stack is up." if started else "The stack is running already.")
        click.echo(facts(stack, account))


@main.command()
@directory_option
def down(directory: Path) -> None:
    """Stop the stack; its data stays."""
    with _plain_failures():
        if not directory.exists():
            click.echo("Nothing runs here.")
            return
        stack = _stack(directory)
        was_running = stack.is_running()
        left = stack.stop()
        if left:
            click.echo(f"Ended what was left over: {', '.join(sorted(left))}.")
        click.echo("The stack is stopped." if was_running or left else "Nothing runs here.")


@main.command()
@directory_option
def status(directory: Path) -> None:
    """Say of every part whether it runs, and where; exit status 3 unless all are ready."""
    with _plain_failures():
        found = report(_stack(directory))
        click.echo("\n".join(found.lines))
    sys.exit(0 if found.healthy else UNHEALTHY)


@main.command()
@click.argument("part", required=False)
@click.option("--follow", "-f", "following", is_flag=True, help="Go on with what is added.")
@click.option("--lines", "-n", default=50, show_default=True, help="How many lines to begin with.")
@directory_option
def logs(part: str | None, following: bool, lines: int, directory: Path) -> None:  # noqa: FBT001 - click's
    """Show the log of a part, or of all, merged by time."""
    with _plain_failures():
        files = _log_files(_stack(directory), part)
        for line in recent(files, lines):
            _show(line, alone=part is not None)
        if following:
            for line in follow(files):
                _show(line, alone=part is not None)


@main.command()
@click.argument("name", type=click.Choice(NAMES))
@directory_option
def snippets(name: str, directory: Path) -> None:
    """Print one of the things to paste, filled in for the running stack."""
    with _plain_failures():
        stack = _stack(directory)
        click.echo(paste(stack, Account.remembered(stack.directory.account), name), nl=False)


@main.command("with", context_settings={"allow_interspersed_args": False})
@directory_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run_with(command: tuple[str, ...], directory: Path) -> None:
    """Run a command that finds the addresses of the running stack in its environment."""
    with _plain_failures():
        stack = _stack(directory)
        if not stack.is_running():
            raise NotReady("no stack runs here; start one with `make up`")
        os.execvpe(command[0], command, {**os.environ, **environment(stack.blueprint.addresses)})  # noqa: S606 - what the caller asks for, without a shell


def _stack(directory: Path) -> Stack:
    return Stack(directory, real=os.environ.get("STACK") == "real")


def _log_files(stack: Stack, part: str | None) -> dict[str, Path]:
    blueprint = load(stack.directory.blueprint)
    names = [*(part.name for part in blueprint.parts), "supervisor"] if blueprint else []
    if part is not None and part not in names:
        raise click.UsageError(f"no part {part!r}; there are {', '.join(names) or 'none yet'}")
    return {name: stack.log_of(name) for name in names if part in (None, name)}


def _show(line: Line, *, alone: bool) -> None:
    click.echo(line.text if alone else f"{line.part:<10} {line.text}")


@contextmanager
def _plain_failures() -> Iterator[None]:
    """Turn what may go wrong into a sentence and an exit status."""
    try:
        yield
    except EXPECTED as error:
        click.echo(f"Failed: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)


def _interrupt_once(_number: int, _frame: FrameType | None) -> None:
    # What follows is an orderly stop of bounded length: a second Ctrl-C would leave half of it.
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main(prog_name="tonearm_local")
