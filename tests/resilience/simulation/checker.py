"""What must be true after every step, and what must be true once everything is quiet."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from gateway_service.domain import FINAL, Conversion
from notifier_service.letter import Letter
from tonearm_chassis.errors import Outage

from .expressions import Document
from .media import Kind, make_audio

if TYPE_CHECKING:
    from .world import Upload, World

FINAL_NAMES = frozenset(state.value for state in FINAL)
CALLED_OFF = frozenset({"CANCELLED", "DELETED"})
COLLECTIONS = (("gateway", "conversions"), ("converter", "claims"), ("notifier", "deliveries"))
DELIVERIES = ("deliveries", "webhook_deliveries")
TOLD = frozenset({"SUCCEEDED", "FAILED"})
# What a tombstone may keep; everything else was the owner's.
CLAIM_TOMBSTONE = frozenset({"_id", "state", "fence", "end_time", "outbox"})


class Broken(AssertionError):
    """The guarantee does not hold."""


class Crashed(AssertionError):
    """A process ended by an error that nobody foresaw."""


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
        self._fences: dict[str, int] = {}
        self._claims: dict[str, Document] = {}
        self._mails: dict[str, str] = {}
        self._hooks: dict[str, str] = {}
        self._retries: dict[str, str] = {}
        self._tombstones: set[str] = set()
        self._encodings: dict[str, int] = {}
        self._asked: dict[str, set[str]] = {}
        self.accepted_by: dict[str, Upload] = {}
        self.cancelling: set[str] = set()
        self.deleting: set[str] = set()
        self.deleted: set[str] = set()
        self.findings: list[str] = []

    def _conversions(self) -> dict[str, Document]:
        return self._world.server.rows_of("gateway", "conversions").documents

    # What clients and recipients see.

    def accepted(self, upload: Upload, conversion_id: str) -> None:
        """An upload was answered with a conversion: from now on it must not be lost."""
        self._found(
            self.accepted_by.get(conversion_id) in (None, upload), "two uploads, one answer"
        )
        first = upload.answers[:1] or [conversion_id]
        self._found(first == [conversion_id], "one request_id was answered with two conversions")
        upload.answers.append(conversion_id)
        self.accepted_by[conversion_id] = upload
        self._found(conversion_id in self._conversions(), "what was answered is not stored")

    def retried(self, conversion: Conversion, old: str, request_id: str) -> None:
        """A conversion was repeated: the new one must not be lost either."""
        self._found(
            self._retries.setdefault(request_id, conversion.id) == conversion.id, "two retries"
        )
        self._found(conversion.id != old, "a retry gave the old conversion")
        self.accepted_by[conversion.id] = self.accepted_by[old]

    def cancelled(self, conversion: Conversion) -> None:
        """A conversion was called off."""
        self._found(conversion.state.value == "CANCELLED", "cancelled, yet it is not")

    def downloaded(self, conversion_id: str, content: bytes) -> None:
        """An owner got an MP3."""
        video = self.accepted_by[conversion_id].video
        self._found(content == make_audio(video), "the owner got half an MP3")

    def call_failed(self, faults: int, outage: Outage) -> None:
        """A call failed: something must have."""
        self._found(faults != self._world.faults, f"a call failed although nothing did: {outage}")

    def mailed(self, letter: Letter) -> None:
        """A mail arrived: it must tell of a final state, always under the same key."""
        rows = self._conversions().values()
        row = next((each for each in rows if each["_id"] in letter.text), None)
        if row is None:
            self.findings.append("a mail tells of a conversion that is not there")
        elif row["delete_time"] is None:
            self._found(row["state"] in ("SUCCEEDED", "FAILED"), f"a mail tells of {row['state']}")
            is_second = row["_id"] in self._mails and not self._world.faults
            self._found(not is_second, "two mails although nothing failed")
            key = self._mails.setdefault(row["_id"], letter.message_id)
            self._found(key == letter.message_id, "two mails of one conversion have two keys")

    def hooked(self, key: str, body: bytes) -> None:
        """An endpoint was told: of a final state, as it is, always under the same key."""
        data = json.loads(body)["data"]
        conversion_id = data["conversion_id"]
        row = self._conversions().get(conversion_id)
        if row is None:
            self.findings.append("an endpoint is told of a conversion that is not there")
        elif row["delete_time"] is None:
            self._found(row["state"] in TOLD, f"an endpoint is told of {row['state']}")
            same = data["state"] == row["state"]
            self._found(same, f"an endpoint is told {data['state']}, it {row['state']}")
            is_second = conversion_id in self._hooks and not self._world.faults
            self._found(not is_second, "an endpoint is told twice although nothing failed")
            first = self._hooks.setdefault(conversion_id, key)
            self._found(key == first, "an endpoint is told under two keys")

    def encodes(self, video: bytes) -> None:
        """An engine begins with a video: once for each conversion, unless something failed."""
        sha256 = _sha256(video)
        self._encodings[sha256] = self._encodings.get(sha256, 0) + 1
        asked = len(self._asked.get(sha256, ()))
        is_more = self._encodings[sha256] > asked and not self._world.faults
        self._found(not is_more, "a video is converted again although nothing failed")

    def _found(self, holds: Any, what: str) -> None:
        # Raised at the next check: here it would only end a task.
        if not holds:
            self.findings.append(what)

    def running(self) -> list[str]:
        """List the accepted conversions that are not over."""
        over = self._tombstones | self._finals.keys()
        return [key for key in self.accepted_by if key not in over]

    # After every step.

    def check(self) -> None:
        """Raise `Broken` if anything is wrong that must never be, not even for a moment."""
        if self._world.loop.failures:
            error = self._world.loop.failures[0]
            raise Crashed(repr(error)) from error
        require(not self.findings, "; ".join(self.findings))
        if self._world.bugs:
            raise Crashed("; ".join(self._world.bugs))
        if self._seen == self._world.server.version:
            return
        self._seen = self._world.server.version
        for row in self._conversions().values():
            self._check_conversion(row)
        for claim in self._world.server.documents("converter", "claims"):
            self._check_claim(claim)

    def _check_conversion(self, row: Document) -> None:
        key, audio = row["_id"], row["audio"]
        if row["delete_time"] is not None:
            wanted = key in self.deleting or key not in self.accepted_by
            require(wanted, "deleted, and nobody asked for it")
            require(not row["email"], "a tombstone names its owner")
            self._tombstones.add(key)
            return
        require(key not in self._tombstones, "what was deleted came back")
        self._asked.setdefault(row["video"]["sha256"], set()).add(key)
        final = (row["state"], audio and audio["id"], row["failure"])
        if key in self._finals:
            require(final == self._finals[key], f"{self._finals[key]} became {final}")
            return
        require(row["fence"] >= self._fences.get(key, 0), "the gateway's fence went back")
        self._fences[key] = row["fence"]
        require((audio is not None) == (row["state"] == "SUCCEEDED"), f"audio in {row['state']}")
        if row["state"] in FINAL_NAMES:
            self._finals[key] = final
        if audio is not None:
            self._require_complete(row)

    def _require_complete(self, row: Document) -> None:
        sha256 = row["video"]["sha256"]
        uploads = self._world.uploads
        upload = next((each for each in uploads if _sha256(each.video) == sha256), None)
        if upload is None:
            raise Broken("a conversion of a video that nobody sent")
        content = self._world.audio.read(row["audio"]["id"])
        require(content == make_audio(upload.video), f"SUCCEEDED with audio {content!r}")
        require(upload.kind is not Kind.SILENT, "a video without audio SUCCEEDED")

    def _check_claim(self, claim: Document) -> None:
        old = self._claims.get(claim["_id"])
        if old is claim:  # the store never changes a document, it puts another in its place
            return
        self._claims[claim["_id"]] = claim
        if old is None:
            return
        if claim["state"] == "SUCCEEDED" and old["state"] == "RUNNING":
            stored = claim["outcome"]["stored"]["audio_id"]
            label = self._world.audio.labels.get(stored)
            require(label == (claim["_id"], old["fence"]), "the outcome of a stale claim won")
        require(claim["fence"] >= old["fence"], "a claim's fence went back")
        if old["state"] == "DELETED":
            require(claim["state"] == "DELETED", "a deleted claim came back")
        elif old["state"] == "CANCELLED":
            require(claim["state"] in CALLED_OFF, "a cancelled claim came back")
        elif old["state"] in FINAL_NAMES:
            unchanged = (claim["state"], claim.get("outcome")) == (old["state"], old["outcome"])
            require(unchanged or claim["state"] in CALLED_OFF, "an outcome changed")
        elif old["owner"] and claim.get("owner") not in (old["owner"], "", None):
            free = old["lease_until"] <= self._world.server.clock()
            require(free, "a claim was taken while its lease ran")

    # At rest.

    def unfinished(self) -> list[str]:
        """Say what is still going on; empty once everything is quiet."""
        world = self._world
        found = [f"{key} is lost" for key in self.accepted_by if key not in self._conversions()]
        found += [
            f"a conversion is {row['state']} and waits"
            for row in self._conversions().values()
            if row["state"] not in FINAL_NAMES or row.get("remind_time")
        ]
        found += [
            f"{collection} promises {row['outbox'][0]['type']}"
            for database, collection in COLLECTIONS
            for row in world.server.documents(database, collection)
            if row.get("outbox")
        ]
        found += [
            f"a claim is {claim['state']}"
            for claim in world.server.documents("converter", "claims")
            if claim["state"] == "RUNNING" or claim.get("unsettled")
        ]
        found += [
            f"a delivery is pending: {row['last_error']}"
            for collection in DELIVERIES
            for row in world.server.documents("notifier", collection)
            if row.get("state") == "PENDING"
        ]
        if not all(each.answers or each.refusals for each in world.uploads):
            found.append("an upload waits")
        if not world.bus.is_empty:
            found.append("the bus is not empty")
        if world.trouble.videos():
            found.append("an engine runs")
        return found

    def check_rest(self) -> None:
        """Raise `Broken` if the world that has come to rest is not as it must be."""
        self.check()
        for key in self.accepted_by:
            self._check_end(key, self._conversions()[key])
        letters = [letter.type for letter in self._world.bus.dead_letters]
        require(not letters, f"dead letters: {letters}")

    def _check_end(self, key: str, row: Document) -> None:
        claim = self._claims.get(key)
        if row["delete_time"] is not None:
            require(claim is None or set(claim) <= CLAIM_TOMBSTONE, "a deleted claim is kept")
            require(not self._audio_of(key), "deleted, and there is audio")
            for collection in DELIVERIES:
                for delivery in self._world.server.documents("notifier", collection):
                    kept = delivery.get("conversion_id") == key
                    require(not kept, "deleted, and there is a delivery")
            return
        require(key not in self.deleted, "a deleted conversion is there")
        if row["state"] == "CANCELLED":
            require(key in self.cancelling, "cancelled, and nobody asked for it")
            require(not self._audio_of(key), "cancelled, and there is audio")
            return
        require(key in self._mails, f"no mail of a conversion that {row['state']}")
        require(key in self._hooks, f"no endpoint was told of a conversion that {row['state']}")
        if self.accepted_by[key].kind is Kind.SILENT:
            require(row["state"] == "FAILED", "a video without audio did not fail")
        else:
            require(row["state"] == "SUCCEEDED", f"a good video ended {row['failure']}")
            stored = claim and claim["outcome"]["stored"]["audio_id"]
            require(stored == row["audio"]["id"], "gateway and claim disagree")

    def _audio_of(self, key: str) -> list[str]:
        labels = self._world.audio.labels.items()
        return [name for name, (conversion, _) in labels if conversion == key]

    def check_swept(self) -> None:
        """Raise `Broken` if anything is left that nobody will ask for."""
        self.check()
        rows = self._conversions().values()
        for row in rows:
            if row["audio"]:
                self._require_complete(row)
        audio = {row["audio"]["id"] for row in rows if row["audio"]}
        require(set(self._world.audio.pieces) == audio, "orphan audio was not swept")
        require(not self._world.videos.pieces, "orphan videos were not swept")
        require(not self._world.server.documents("gateway", "videos"), "the ledger was not swept")


def _sha256(video: bytes) -> str:
    return hashlib.sha256(video).hexdigest()
