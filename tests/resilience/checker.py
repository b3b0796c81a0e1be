"""Hold a history to the guarantee: nothing accepted is lost, doubled, or shown in part.

- **lost**: an accepted conversion without a final state, gone without having been deleted, ended
  otherwise than its video deserves, without audio, mail or webhook that it should have.
- **duplicated**: a second final state, a second audio, a second mail or webhook under another key,
  one for what is not final, a second conversion, account or webhook for one request, life after
  deletion.
- **partial**: audio that is not all of the source, not what was promised, or there too early; a
  webhook that is not signed or does not say why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .evidence import FINAL, Evidence, Fault, Finding
from .history import (
    Accepted,
    Asked,
    Downloaded,
    History,
    Hook,
    Listening,
    Mail,
    Missing,
    Opened,
    Seen,
    Sound,
    Source,
)
from .tellings import (
    endpoint_can_trust,
    endpoint_is_told_after_the_end,
    endpoint_is_told_once,
    endpoint_is_told_why,
    is_mailed_after_the_end,
    is_mailed_once,
)

FRAME = 1152
"""The samples of an MP3's frame: the guarantee's tolerance."""

X = TypeVar("X", Seen, Missing, Downloaded, Asked, Mail, Hook)


Rule = Callable[["Evidence"], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found."""

    conversions: int
    findings: tuple[Finding, ...]

    def count(self, fault: Fault) -> int:
        """Count the conversions that one fault befell."""
        return len({each.conversion_id for each in self.findings if each.fault is fault})

    @property
    def is_clean(self) -> bool:
        """Whether the guarantee held."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Told:
    """What owners were told, and how."""

    mails: Sequence[Mail] = ()
    hooks: Sequence[Hook] = ()


def check(
    history: History,
    sources: Mapping[str, Source],
    told: Told,
    sounds: Mapping[str, Sound],
    rules: Sequence[Rule] | None = None,
) -> Verdict:
    """Check every accepted conversion; `sounds` has what decoding gave, by SHA-256."""
    accepted = {each.conversion_id: each for each in history.of(Accepted)}
    conversions = ((each.request_id, each.conversion_id) for each in history.of(Accepted))
    accounts = ((each.request_id, each.account_id) for each in history.of(Opened))
    webhooks = ((each.request_id, each.webhook_id) for each in history.of(Listening))
    answers = (conversions, accounts, webhooks)
    findings = [found for each in answers for found in _second_answers(each)]
    for evidence in _evidence(history, accepted, sources, told, sounds):
        for rule in RULES if rules is None else rules:
            findings += rule(evidence)
    return Verdict(len(accepted), tuple(findings))


def _evidence(
    history: History,
    accepted: Mapping[str, Accepted],
    sources: Mapping[str, Source],
    told: Told,
    sounds: Mapping[str, Sound],
) -> Iterator[Evidence]:
    seen = _by_conversion(sorted(history.of(Seen), key=lambda each: each.ended))
    missing = _by_conversion(history.of(Missing))
    downloads = _by_conversion(history.of(Downloaded))
    asked = _by_conversion(history.of(Asked))
    mails, hooks = _by_conversion(told.mails), _by_conversion(told.hooks)
    for each, entry in accepted.items():
        yield Evidence(
            conversion_id=each,
            source=sources[entry.source],
            seen=seen[each],
            missing=missing[each],
            downloads=downloads[each],
            asked=asked[each],
            mails=mails[each],
            hooks=hooks[each],
            sounds=sounds,
        )


def _by_conversion(entries: Sequence[X]) -> defaultdict[str, list[X]]:
    grouped: defaultdict[str, list[X]] = defaultdict(list)
    for entry in entries:
        grouped[entry.conversion_id].append(entry)
    return grouped


def _second_answers(answers: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for request_id, made in answers:
        known = first.setdefault(request_id, made)
        if known != made:
            what = f"request {request_id} was answered with {known} before"
            yield Finding(Fault.DUPLICATED, made, what)


def _ends(of: Evidence) -> Iterator[Finding]:
    if of.was_asked("delete"):
        return
    if of.missing:
        yield Finding(Fault.LOST, of.conversion_id, "unknown though nobody deleted it")
    final = of.final
    if final is None:
        last = of.seen[-1].state if of.seen else "never seen"
        yield Finding(Fault.LOST, of.conversion_id, f"no final state, at last {last}")
    elif final.state == "CANCELLED" and not of.was_asked("cancel"):
        yield Finding(Fault.LOST, of.conversion_id, "CANCELLED though nobody asked for that")


def _ends_as_it_deserves(of: Evidence) -> Iterator[Finding]:
    final = of.final
    if final is None:
        return
    if final.state == "FAILED" and final.reason not in of.source.reasons:
        what = f"{of.source.name} FAILED with {final.reason}"
        yield Finding(Fault.LOST, of.conversion_id, what)
    if final.state == "SUCCEEDED" and of.source.is_hostile:
        yield Finding(Fault.PARTIAL, of.conversion_id, f"{of.source.name} SUCCEEDED")


def _never_changes_again(of: Evidence) -> Iterator[Finding]:
    final = of.final
    if final is None:
        return
    states = {each.state for each in of.seen if each.state in FINAL}
    later = {each.state for each in of.seen if each.begun >= final.ended}
    if changed := (states | later) - {final.state}:
        what = f"{final.state}, then {', '.join(sorted(changed))}"
        yield Finding(Fault.DUPLICATED, of.conversion_id, what)


def _stays_deleted(of: Evidence) -> Iterator[Finding]:
    granted = [each.ended for each in of.asked if each.what == "delete" and each.answered]
    shown: list[Seen | Downloaded] = [*of.seen, *of.downloads]
    if granted and any(each.begun >= min(granted) for each in shown):
        yield Finding(Fault.DUPLICATED, of.conversion_id, "seen again after it was deleted")


def _has_one_audio(of: Evidence) -> Iterator[Finding]:
    audios = {each.sha256 for each in of.downloads} | {each.audio for each in of.seen} - {""}
    if len(audios) > 1:
        what = f"{len(audios)} different audios: {', '.join(sorted(audios))}"
        yield Finding(Fault.DUPLICATED, of.conversion_id, what)
    succeeded = of.final is not None and of.final.state == "SUCCEEDED"
    if succeeded and not of.downloads and not of.was_asked("delete"):
        yield Finding(Fault.LOST, of.conversion_id, "SUCCEEDED, but its audio never came")


def _audio_is_whole(of: Evidence) -> Iterator[Finding]:
    for sha256 in sorted({each.sha256 for each in of.downloads}):
        sound = of.sounds[sha256]
        if sound.complaints:
            what = f"audio does not decode: {sound.complaints}"
            yield Finding(Fault.PARTIAL, of.conversion_id, what)
        if abs(sound.samples - of.source.samples) > FRAME:
            what = f"audio of {sound.samples} samples, not {of.source.samples}"
            yield Finding(Fault.PARTIAL, of.conversion_id, what)


def _audio_comes_last(of: Evidence) -> Iterator[Finding]:
    for download in of.downloads:
        after = [each.state for each in of.seen if each.begun >= download.ended]
        if early := set(after) - {"SUCCEEDED"}:
            what = f"audio came, then the state was {', '.join(sorted(early))}"
            yield Finding(Fault.PARTIAL, of.conversion_id, what)


RULES: tuple[Rule, ...] = (
    _ends,
    _ends_as_it_deserves,
    _never_changes_again,
    _stays_deleted,
    _has_one_audio,
    _audio_is_whole,
    _audio_comes_last,
    is_mailed_once,
    is_mailed_after_the_end,
    endpoint_is_told_once,
    endpoint_is_told_after_the_end,
    endpoint_can_trust,
    endpoint_is_told_why,
)
