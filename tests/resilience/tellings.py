"""Hold what owners were told to the guarantee: by mail, and at their endpoints.

At least once, under one key, and never of a state that is not final.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .evidence import FINAL, TOLD, Evidence, Fault, Finding
from .history import Hook, Mail


def is_mailed_once(of: Evidence) -> Iterator[Finding]:
    """See that there is a mail, that all have one key, and that they tell the truth."""
    yield from _is_told_once(of, "mail", of.mails, {each.message_id for each in of.mails})
    if of.end in TOLD and not of.mails and not of.was_asked("delete"):
        yield Finding(Fault.LOST, of.conversion_id, f"{of.end}, but no mail came")


def is_mailed_after_the_end(of: Evidence) -> Iterator[Finding]:
    """See that no mail came while the conversion went on."""
    yield from _is_told_after_the_end(of, "mail", of.mails)


def endpoint_is_told_once(of: Evidence) -> Iterator[Finding]:
    """See that the endpoint took a request, that all have one key, and that they tell the truth."""
    yield from _is_told_once(of, "webhook", of.hooks, {each.webhook_id for each in of.hooks})
    taken = any(each.taken for each in of.hooks)
    if of.end in TOLD and not taken and not of.was_asked("delete"):
        yield Finding(Fault.LOST, of.conversion_id, f"{of.end}, but no webhook came")


def endpoint_is_told_after_the_end(of: Evidence) -> Iterator[Finding]:
    """See that no request came while the conversion went on."""
    yield from _is_told_after_the_end(of, "webhook", of.hooks)


def endpoint_can_trust(of: Evidence) -> Iterator[Finding]:
    """See that every request is signed with the secret that its owner was given."""
    if not all(each.is_signed for each in of.hooks):
        yield Finding(Fault.PARTIAL, of.conversion_id, "a webhook with a wrong signature")


def endpoint_is_told_why(of: Evidence) -> Iterator[Finding]:
    """See that every request has the reason that the owner sees."""
    final = of.final
    if final is not None and any(each.reason != final.reason for each in of.hooks):
        what = f"a webhook with another reason than {final.reason or 'none'}"
        yield Finding(Fault.PARTIAL, of.conversion_id, what)


def _is_told_once(
    of: Evidence, way: str, told: Sequence[Mail | Hook], keys: set[str]
) -> Iterator[Finding]:
    if len(keys) > 1:
        what = f"a {way} under {len(keys)} keys: {', '.join(sorted(keys))}"
        yield Finding(Fault.DUPLICATED, of.conversion_id, what)
    if wrong := {each.outcome for each in told} - {of.end}:
        if of.final is None and of.was_asked("delete"):
            return
        what = f"a {way} says {', '.join(sorted(wrong))}, the state is {of.end}"
        yield Finding(Fault.DUPLICATED, of.conversion_id, what)


def _is_told_after_the_end(
    of: Evidence, way: str, told: Sequence[Mail | Hook]
) -> Iterator[Finding]:
    for one in told:
        if any(each.begun >= one.arrived and each.state not in FINAL for each in of.seen):
            yield Finding(Fault.DUPLICATED, of.conversion_id, f"a {way} came before the end")
            return
