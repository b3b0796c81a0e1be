"""Hold a history to the guarantee: nothing accepted is lost, doubled, or shown in part.

- **lost**: an accepted conversion without a final state, gone without having been deleted, ended
  otherwise than its video deserves, without audio or without a mail that it should have.
- **duplicated**: a second final state, a second audio, a second mail under another key, a mail for
  what is not final, a second conversion or account for one request, life after deletion.
- **partial**: audio that is not all of the source, not what was promised, or there too early.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from .history import (
    Accepted,
    Asked,
    Downloaded,
    History,
    Mail,
    Missing,
    Opened,
    Seen,
    Sound,
    Source,
)

FRAME = 1152
"""The samples of an MP3's frame: the guarantee's tolerance."""
FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
TOLD = frozenset({"SUCCEEDED", "FAILED"})

X = TypeVar("X", Seen, Missing, Downloaded, Asked, Mail)


class Fault(StrEnum):
    """The ways to break the guarantee."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of the guarantee."""

    fault: Fault
    conversion_id: str
    """Or an account's."""
    what: str


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
class Evidence:
    """All that is known of one conversion."""

    conversion_id: str
    source: Source
    seen: Sequence[Seen]
    missing: Sequence[Missing]
    downloads: Sequence[Downloaded]
    asked: Sequence[Asked]
    mails: Sequence[Mail]
    sounds: Mapping[str, Sound]

    @property
    def final(self) -> Seen | None:
        """The first final state that was seen."""
        return next((each for each in self.seen if each.state in FINAL), None)

    def was_asked(self, what: str) -> bool:
        """Tell whether somebody tried to, whatever the answer was."""
        return any(each.what == what for each in self.asked)


def check(
    history: History,
    sources: Mapping[str, Source],
    mails: Sequence[Mail],
    sounds: Mapping[str, Sound],
    rules: Sequence[Rule] | None = None,
) -> Verdict:
    """Check every accepted conversion; `sounds` has what decoding gave, by SHA-256."""
    accepted = {each.conversion_id: each for each in history.of(Accepted)}
    conversions = ((each.request_id, each.conversion_id) for each in history.of(Accepted))
    accounts = ((each.request_id, each.account_id) for each in history.of(Opened))
    findings = [*_second_answers(conversions), *_second_answers(accounts)]
    for evidence in _evidence(history, accepted, sources, mails, sounds):
        for rule in RULES if rules is None else rules:
            findings += rule(evidence)
    return Verdict(len(accepted), tuple(findings))


def _evidence(
    history: History,
    accepted: Mapping[str, Accepted],
    sources: Mapping[str, Source],
    mails: Sequence[Mail],
    sounds: Mapping[str, Sound],
) -> Iterator[Evidence]:
    seen = _by_conversion(sorted(history.of(Seen), key=lambda each: each.ended))
    missing = _by_conversion(history.of(Missing))
    downloads = _by_conversion(history.of(Downloaded))
    asked = _by_conversion(history.of(Asked))
    told = _by_conversion(mails)
    for each, entry in accepted.items():
        yield Evidence(
            conversion_id=each,
            source=sources[entry.source],
            seen=seen[each],
            missing=missing[each],
            downloads=downloads[each],
            asked=asked[each],
            mails=told[each],
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


def _is_told_once(of: Evidence) -> Iterator[Finding]:
    keys = {each.message_id for each in of.mails}
    if len(keys) > 1:
        what = f"mails under {len(keys)} keys: {', '.join(sorted(keys))}"
        yield Finding(Fault.DUPLICATED, of.conversion_id, what)
    state = of.final.state if of.final is not None else "not final"
    if wrong := {each.outcome for each in of.mails} - {state}:
        if state == "not final" and of.was_asked("delete"):
            return
        what = f"a mail says {', '.join(sorted(wrong))}, the state is {state}"
        yield Finding(Fault.DUPLICATED, of.conversion_id, what)
    if state in TOLD and not of.mails and not of.was_asked("delete"):
        yield Finding(Fault.LOST, of.conversion_id, f"{state}, but no mail came")


def _is_told_after_the_end(of: Evidence) -> Iterator[Finding]:
    for mail in of.mails:
        if any(each.begun >= mail.arrived and each.state not in FINAL for each in of.seen):
            yield Finding(Fault.DUPLICATED, of.conversion_id, "a mail came before the end")
            return


RULES: tuple[Rule, ...] = (
    _ends,
    _ends_as_it_deserves,
    _never_changes_again,
    _stays_deleted,
    _has_one_audio,
    _audio_is_whole,
    _audio_comes_last,
    _is_told_once,
    _is_told_after_the_end,
)
