"""What must be true after every step, and what must be true once everything is quiet."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from gateway_service.domain import FINAL
from notifier_service.letter import Letter

from .expressions import Document
from .media import Kind, make_audio

if TYPE_CHECKING:
    from .world import Upload, World

FINAL_NAMES = frozenset(state.value for state in FINAL)


class Broken(AssertionError):
    """The guarantee does not hold."""


def require(holds: Any, what: str) -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(what)


class Checker:
    """Remembers what was once true and must stay so."""

    def __init__(self, world: World) -> None:
        """Look at `world`."""
        self._world = world
        self._seen = -1
        self._finals: dict[str, tuple[Any, ...]] = {}
        self._gateway_fences: dict[str, int] = {}
        self._claims: dict[str, Document] = {}
        self._mails: dict[str, str] = {}
        self.accepted_by: dict[str, Upload] = {}
        self.deleted: set[str] = set()

    # What clients and recipients see.

    def accepted(self, upload: Upload, conversion_id: str) -> None:
        """An upload was answered with a conversion: from now on it must not be lost."""
        known = self.accepted_by.get(conversion_id)
        require(known in (None, upload), "two uploads were answered with one conversion")
        first = upload.answers[:1] or [conversion_id]
        require(first == [conversion_id], "one request_id was answered with two conversions")
        upload.answers.append(conversion_id)
        self.accepted_by[conversion_id] = upload
        require(conversion_id in self._conversions(), f"{conversion_id} was answered, not stored")

    def mailed(self, letter: Letter) -> None:
        """A mail arrived: it must tell of a final state, always under the same key."""
        row = next(
            (each for each in self._conversions().values() if each["_id"] in letter.text), None
        )
        if row is None:
            raise Broken("a mail tells of a conversion that is not there")
        require(row["state"] in ("SUCCEEDED", "FAILED"), f"a mail tells of {row['state']}")
        key = self._mails.setdefault(row["_id"], letter.message_id)
        require(key == letter.message_id, "two mails of one conversion have two keys")

    # After every step.

    def check(self) -> None:
        """Raise `Broken` if anything is wrong that must never be, not even for a moment."""
        if self._world.loop.failures:
            raise self._world.loop.failures[0]
        if self._seen == self._world.server.version:
            return
        self._seen = self._world.server.version
        for row in self._conversions().values():
            self._check_conversion(row)
        for claim in self._world.server.documents("converter", "claims"):
            self._check_claim(claim)

    def _conversions(self) -> dict[str, Document]:
        return self._world.server.rows_of("gateway", "conversions").documents

    def _check_conversion(self, row: Document) -> None:
        key, audio = row["_id"], row["audio"]
        final = (row["state"], audio and audio["id"], row["failure"])
        if key in self._finals:
            require(final == self._finals[key], f"{self._finals[key]} became {final}")
            return
        require(row["fence"] >= self._gateway_fences.get(key, 0), "the gateway's fence went back")
        self._gateway_fences[key] = row["fence"]
        require(
            (audio is not None) == (row["state"] == "SUCCEEDED"), f"audio shows in {row['state']}"
        )
        if row["state"] in FINAL_NAMES:
            self._finals[key] = final
        if audio is not None:
            self._require_complete(row, audio["id"])

    def _require_complete(self, row: Document, name: str) -> None:
        upload = next(
            (each for each in self._world.uploads if _sha256(each.video) == row["video"]["sha256"]),
            None,
        )
        require(upload is not None, "a conversion of a video that nobody sent")
        if upload is not None:
            content = self._world.audio.read(name)
            require(content == make_audio(upload.video), f"SUCCEEDED with audio {content!r}")
            require(upload.kind is not Kind.SILENT, "a video without audio SUCCEEDED")

    def _check_claim(self, claim: Document) -> None:
        old = self._claims.get(claim["_id"])
        if old is claim:  # the store never changes a document, it puts another in its place
            return
        self._claims[claim["_id"]] = claim
        if claim["state"] == "SUCCEEDED":
            stored = claim["outcome"]["stored"]["audio_id"]
            mine = uuid.uuid5(uuid.UUID(claim["_id"]), str(claim["fence"])).hex
            require(stored == mine, "the outcome of a stale fence won")
        if old is None:
            return
        require(claim["fence"] >= old["fence"], "a claim's fence went back")
        if old["state"] in FINAL_NAMES:
            outcomes = old["state"], old.get("outcome"), old["fence"]
            now = claim["state"], claim.get("outcome"), claim["fence"]
            require(outcomes == now or claim["state"] == "DELETED", f"{outcomes} became {now}")
        elif claim["fence"] > old["fence"] and old["owner"]:
            until = old["lease_until"]
            require(until <= self._world.server.clock(), "a claim was taken while its lease ran")

    # At rest.

    def unfinished(self) -> list[str]:
        """Say what is still going on; empty once everything is quiet."""
        rows = self._conversions()
        found = [f"{key} is lost" for key in self.accepted_by if key not in rows]
        for row in rows.values():
            if row["state"] not in FINAL_NAMES:
                found.append(f"{row['_id']} is {row['state']}")
            elif row["state"] != "CANCELLED" and not row["notified"]:
                found.append(f"nobody was told of {row['_id']}")
        for database, collection in (
            ("gateway", "conversions"),
            ("converter", "claims"),
            ("notifier", "deliveries"),
        ):
            for row in self._world.server.documents(database, collection):
                if row.get("outbox"):
                    found.append(f"{collection} promises {row['outbox'][0]['type']}")
                if row["state"] == "PENDING":
                    found.append(f"a delivery is pending: {row['last_error']}")
        found += [
            f"upload {each.request_id} waits"
            for each in self._world.uploads
            if not (each.answers or each.refusals)
        ]
        if not self._world.bus.is_empty:
            found.append("the bus is not empty")
        if self._world.trouble.videos():
            found.append("an engine runs")
        return found

    def check_rest(self) -> None:
        """Raise `Broken` if the world that has come to rest is not as it must be."""
        self.check()
        for row in self._conversions().values():
            claim = self._claims.get(row["_id"])
            if row["state"] == "SUCCEEDED":
                require(claim and claim["fence"] == row["fence"], "gateway and claim disagree")
            if row["state"] in ("SUCCEEDED", "FAILED"):
                require(row["_id"] in self._mails, f"no mail of {row['_id']}")
        self._check_outcomes()
        audio = {row["audio"]["id"] for row in self._conversions().values() if row["audio"]}
        orphans = set(self._world.audio.pieces) - audio
        require(not orphans, f"orphan audio: {sorted(orphans)}")
        letters = [letter.type for letter in self._world.bus.dead_letters]
        require(not letters, f"dead letters: {letters}")

    def _check_outcomes(self) -> None:
        for key, upload in self.accepted_by.items():
            row = self._conversions()[key]
            if upload.kind is Kind.SILENT:
                require(row["state"] == "FAILED", "a video without audio did not fail")
            else:
                reason = row["failure"] and row["failure"]["reason"]
                require(row["state"] == "SUCCEEDED", f"a good video ended {row['state']} {reason}")


def _sha256(video: bytes) -> str:
    return hashlib.sha256(video).hexdigest()
