"""The commands of an operator: audit, and dead-letters list and replay."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

import click

from tonearm_chassis import mongo
from tonearm_chassis.errors import Outage
from tonearm_chassis.settings import load_settings
from tonearm_operations.audit import Audit
from tonearm_operations.findings import Finding
from tonearm_operations.letter_topic import LetterTopic, sender
from tonearm_operations.letters import Choice, Unreplayable
from tonearm_operations.settings import AuditSettings, LetterSettings
from tonearm_operations.stores import Stores

FOUND = 1
AWAY = 69  # sysexits.h: a service is unavailable

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
reason_option = click.option(
    "--reason-contains", default="", metavar="TEXT", help="Only those with this in their reason."
)


@click.group()
def main() -> None:
    """Look after a running Tonearm."""


@main.command()
@click.option(
    "--grace-seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="What is younger may still be under way.",
)
@json_option
def audit(grace_seconds: float, *, as_json: bool) -> None:
    """Compare all stores with one another; exit status 0 only if nothing is wrong.

    Reads the MongoDB at MONGODB_URI and changes nothing. Each finding is a line: kind, store, id,
    and what is wrong. The last line is AUDIT findings=N. Exit status 1 means that there are
    findings, 69 that the store could not be read and nothing is known.
    """
    uri = load_settings(AuditSettings).mongodb_uri.get_secret_value()
    with _plain_outages():
        found = asyncio.run(_audited(uri, timedelta(seconds=grace_seconds)))
    for each in found:
        click.echo(each.json_line() if as_json else each.line())
    click.echo(json.dumps({"findings": len(found)}) if as_json else f"AUDIT findings={len(found)}")
    sys.exit(FOUND if found else 0)


async def _audited(uri: str, grace: timedelta) -> list[Finding]:
    async with mongo.connect(uri) as client:
        return await Audit(Stores.of(client), grace=grace, sleep=asyncio.sleep).run()


@main.group()
def dead_letters() -> None:
    """List and replay the events that no service could apply."""


@dead_letters.command("list")
@click.option("--limit", type=click.IntRange(min=1), help="Show only so many of the oldest.")
@reason_option
@json_option
def list_letters(limit: int | None, reason_contains: str, *, as_json: bool) -> None:
    """Show id, time, origin, type, conversion and reason of each letter.

    Reads the Kafka at KAFKA_BOOTSTRAP_SERVERS from the beginning to the present end, in no group.
    """
    topic = LetterTopic(load_settings(LetterSettings).kafka())
    choice = Choice(reason_contains=reason_contains)
    with _plain_outages():
        for letter in islice(filter(choice.takes, topic.letters()), limit):
            click.echo(letter.json_line() if as_json else letter.line())


@dead_letters.command()
@click.option("--id", "ids", multiple=True, metavar="ID", help="Replay this one; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Replay all there are.")
@reason_option
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
def replay(ids: tuple[str, ...], reason_contains: str, *, everything: bool, dry_run: bool) -> None:
    """Send the original records to the topics they came from.

    Letters stay where they are. Every handler can be repeated, so a second replay is harmless.
    """
    if bool(ids) == everything:
        raise click.UsageError("say which: --id ID (repeatable), or --all")
    access = load_settings(LetterSettings).kafka()
    choice, seen, failed = Choice(ids, reason_contains), set[str](), 0
    with _plain_outages(), sender(access) as send:
        for letter in filter(choice.takes, LetterTopic(access).letters()):
            seen.add(letter.id)
            try:
                original = letter.original()
            except Unreplayable as reason:
                click.echo(f"Not replayed: {letter.line()} ({reason})", err=True)
                failed += 1
                continue
            if not dry_run:
                send(original)
            click.echo(f"{'Would replay' if dry_run else 'Replayed'} {letter.line()}")
    for missing in sorted(set(ids) - seen):
        click.echo(f"There is no letter {missing}.", err=True)
    sys.exit(FOUND if failed or set(ids) - seen else 0)


@contextmanager
def _plain_outages() -> Iterator[None]:
    try:
        yield
    except Outage as error:
        click.echo(f"Failed: {error}", err=True)
        sys.exit(AWAY)


if __name__ == "__main__":
    main(prog_name="tonearm_operations")
