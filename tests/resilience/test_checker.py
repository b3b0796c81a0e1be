"""The checker sees every breach of the guarantee: each is planted into a clean history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .checker import RULES, Rule, Told, Verdict, check
from .evidence import Fault
from .history import (
    Accepted,
    Asked,
    Downloaded,
    Entry,
    History,
    Hook,
    Listening,
    Mail,
    Missing,
    Opened,
    Seen,
    Sound,
    Source,
    read_mails,
)

GOOD = Source("good.mp4", 441_000)
BROKEN = Source("broken.mp4", 0, frozenset({"UNREADABLE_VIDEO"}))
WHOLE, SHORT, NOISE = "a" * 64, "b" * 64, "c" * 64
SOUNDS = {
    WHOLE: Sound(441_000 + 1152),
    SHORT: Sound(441_000 - 1153),
    NOISE: Sound(441_000, "Header missing"),
}


@dataclass
class Run:
    """A history that keeps the guarantee, until something is planted."""

    entries: list[Entry] = field(default_factory=list)
    told: list[Mail | Hook] = field(default_factory=list)

    def judged(self, rules: Sequence[Rule] = RULES) -> Verdict:
        history = History()
        for entry in self.entries:
            history.add(entry)
        told = Told(
            [each for each in self.told if isinstance(each, Mail)],
            [each for each in self.told if isinstance(each, Hook)],
        )
        return check(history, {each.name: each for each in (GOOD, BROKEN)}, told, SOUNDS, rules)

    def without(self, *kinds: type[Entry | Mail | Hook]) -> Run:
        """Leave out all entries of these kinds."""
        return Run(
            [each for each in self.entries if not isinstance(each, kinds)],
            [each for each in self.told if not isinstance(each, kinds)],
        )

    def plus(self, *entries: Entry | Mail | Hook) -> Run:
        """Add entries."""
        return Run(
            self.entries + [each for each in entries if not isinstance(each, Mail | Hook)],
            self.told + [each for each in entries if isinstance(each, Mail | Hook)],
        )


def succeeded() -> Run:
    return Run(
        [
            Accepted("one", "request", "good.mp4", 0, 1),
            Seen("one", "QUEUED", 1, 2),
            Seen("one", "RUNNING", 3, 4),
            Seen("one", "SUCCEEDED", 5, 6, audio=WHOLE),
            Downloaded("one", WHOLE, 7, 8),
            Seen("one", "SUCCEEDED", 10, 11, audio=WHOLE),
        ],
        [Mail("one", "<key>", "SUCCEEDED", 9), Hook("one", "key", "SUCCEEDED", 9)],
    )


def failed() -> Run:
    return Run(
        [
            Accepted("one", "request", "broken.mp4", 0, 1),
            Seen("one", "FAILED", 5, 6, reason="UNREADABLE_VIDEO"),
        ],
        [
            Mail("one", "<key>", "FAILED", 9),
            Hook("one", "key", "FAILED", 9, reason="UNREADABLE_VIDEO"),
        ],
    )


def cancelled() -> Run:
    return Run(
        [
            Accepted("one", "request", "good.mp4", 0, 1),
            Asked("one", "cancel", answered=True, begun=2, ended=3),
            Seen("one", "CANCELLED", 5, 6),
        ]
    )


def deleted() -> Run:
    return succeeded().plus(
        Asked("one", "delete", answered=True, begun=20, ended=21), Missing("one", 22, 23)
    )


CLEAN: dict[str, Callable[[], Run]] = {
    "succeeded": succeeded,
    "failed": failed,
    "cancelled": cancelled,
    "deleted": deleted,
    "a repeated mail": lambda: succeeded().plus(Mail("one", "<key>", "SUCCEEDED", 19)),
    "a repeated webhook": lambda: succeeded().plus(
        Hook("one", "key", "SUCCEEDED", 8, taken=False), Hook("one", "key", "SUCCEEDED", 19)
    ),
    "a repeated request for a webhook": lambda: succeeded().plus(
        Listening("first", "naming", 0, 1), Listening("first", "naming", 0, 2)
    ),
    "a repeated request for an account": lambda: succeeded().plus(
        Opened("first", "opening", 0, 1), Opened("first", "opening", 0, 2)
    ),
    "a repeated request": lambda: succeeded().plus(
        Accepted("one", "request", "good.mp4", 0.5, 1.5)
    ),
    "an older answer that came late": lambda: succeeded().plus(Seen("one", "RUNNING", 4, 12)),
    "a delete without an answer": lambda: cancelled().plus(
        Asked("one", "delete", answered=False, begun=6, ended=7), Seen("one", "CANCELLED", 8, 9)
    ),
}
PLANTED: dict[str, tuple[Fault, Callable[[], Run]]] = {
    "no final state": (
        Fault.LOST,
        lambda: Run([*succeeded().entries[:3]]),
    ),
    "never seen": (Fault.LOST, lambda: Run([*succeeded().entries[:1]])),
    "unknown": (Fault.LOST, lambda: succeeded().plus(Missing("one", 12, 13))),
    "cancelled by nobody": (Fault.LOST, lambda: cancelled().without(Asked)),
    "a good video that failed": (
        Fault.LOST,
        lambda: failed().without(Accepted).plus(Accepted("one", "request", "good.mp4", 0, 1)),
    ),
    "audio that never comes": (Fault.LOST, lambda: succeeded().without(Downloaded)),
    "no mail": (Fault.LOST, lambda: succeeded().without(Mail)),
    "no mail of a failure": (Fault.LOST, lambda: failed().without(Mail)),
    "no webhook": (Fault.LOST, lambda: succeeded().without(Hook)),
    "no webhook of a failure": (Fault.LOST, lambda: failed().without(Hook)),
    "a webhook that was sent away and never came again": (
        Fault.LOST,
        lambda: succeeded().without(Hook).plus(Hook("one", "key", "SUCCEEDED", 9, taken=False)),
    ),
    "a webhook under another key": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(Hook("one", "other", "SUCCEEDED", 12)),
    ),
    "a webhook that says the contrary": (
        Fault.DUPLICATED,
        lambda: failed().plus(Hook("one", "key", "SUCCEEDED", 12, reason="UNREADABLE_VIDEO")),
    ),
    "a webhook for what was cancelled": (
        Fault.DUPLICATED,
        lambda: cancelled().plus(Hook("one", "key", "SUCCEEDED", 12)),
    ),
    "a webhook before the end": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(Hook("one", "key", "SUCCEEDED", 2.5)),
    ),
    "a second webhook for a request": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(
            Listening("first", "naming", 0, 1), Listening("second", "naming", 0, 2)
        ),
    ),
    "a webhook without a signature": (
        Fault.PARTIAL,
        lambda: succeeded().plus(Hook("one", "key", "SUCCEEDED", 12, is_signed=False)),
    ),
    "a webhook that does not say why": (
        Fault.PARTIAL,
        lambda: failed().plus(Hook("one", "key", "FAILED", 12)),
    ),
    "a second final state": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(Seen("one", "FAILED", 12, 13, reason="TIMED_OUT")),
    ),
    "life after the end": (
        Fault.DUPLICATED,
        lambda: cancelled().plus(Seen("one", "RUNNING", 12, 13)),
    ),
    "life after deletion": (
        Fault.DUPLICATED,
        lambda: deleted().plus(Seen("one", "SUCCEEDED", 24, 25, audio=WHOLE)),
    ),
    "audio after deletion": (
        Fault.DUPLICATED,
        lambda: deleted().plus(Downloaded("one", WHOLE, 24, 25)),
    ),
    "a second audio": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(Seen("one", "SUCCEEDED", 12, 13, audio="d" * 64)),
    ),
    "a mail under another key": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(Mail("one", "<other>", "SUCCEEDED", 12)),
    ),
    "a mail that says the contrary": (
        Fault.DUPLICATED,
        lambda: failed().plus(Mail("one", "<key>", "SUCCEEDED", 12)),
    ),
    "a mail for what was cancelled": (
        Fault.DUPLICATED,
        lambda: cancelled().plus(Mail("one", "<key>", "SUCCEEDED", 12)),
    ),
    "a mail before the end": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(Mail("one", "<key>", "SUCCEEDED", 2.5)),
    ),
    "a second conversion for a request": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(
            Accepted("two", "request", "good.mp4", 2, 3),
            Seen("two", "SUCCEEDED", 5, 6, audio=WHOLE),
            Downloaded("two", WHOLE, 7, 8),
            Mail("two", "<key of two>", "SUCCEEDED", 9),
            Hook("two", "key of two", "SUCCEEDED", 9),
        ),
    ),
    "a second account for a request": (
        Fault.DUPLICATED,
        lambda: succeeded().plus(
            Opened("first", "opening", 0, 1), Opened("second", "opening", 0, 2)
        ),
    ),
    "short audio": (
        Fault.PARTIAL,
        lambda: succeeded().without(Downloaded, Seen).plus(
            Seen("one", "SUCCEEDED", 5, 6, audio=SHORT), Downloaded("one", SHORT, 7, 8)
        ),
    ),
    "audio that does not decode": (
        Fault.PARTIAL,
        lambda: succeeded().without(Downloaded, Seen).plus(
            Seen("one", "SUCCEEDED", 5, 6, audio=NOISE), Downloaded("one", NOISE, 7, 8)
        ),
    ),
    "audio before the end": (
        Fault.PARTIAL,
        lambda: succeeded().plus(Downloaded("one", WHOLE, 1, 2)),
    ),
    "audio of a broken video": (
        Fault.PARTIAL,
        lambda: succeeded().without(Accepted).plus(
            Accepted("one", "request", "broken.mp4", 0, 1)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLEAN)
def test_a_history_that_keeps_the_guarantee_is_clean(name: str) -> None:
    verdict = CLEAN[name]().judged()

    assert not verdict.findings
    assert verdict.conversions == 1


@pytest.mark.parametrize("name", PLANTED)
def test_a_breach_is_found_and_called_by_its_name(name: str) -> None:
    fault, planted = PLANTED[name]

    verdict = planted().judged()

    assert verdict.count(fault) == 1, verdict
    assert not verdict.is_clean


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_rule_can_be_spared(rule: Rule) -> None:
    others = [each for each in RULES if each is not rule]

    assert any(planted().judged(others).is_clean for _, planted in PLANTED.values())


def test_mails_are_read_from_the_folder(tmp_path: Path) -> None:
    link = f"http://127.0.0.1:1/#/conversions/{'ab' * 16}"
    (tmp_path / "20260102T030405.678901-00000000.eml").write_text(
        f"Subject: Your MP3 is ready: a.mp4\nMessage-ID: <key@tonearm>\n\nReady.\n\n{link}\n"
    )

    assert read_mails(tmp_path) == [
        Mail("ab" * 16, "<key@tonearm>", "SUCCEEDED", 1767323045.678901)
    ]
