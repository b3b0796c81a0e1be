"""Name what an audit can find."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong; the words of the printed lines, which programs may compare."""

    ORPHAN_CHUNKS = "orphan_chunks"
    FILE_WITHOUT_CHUNKS = "file_without_chunks"
    CHUNK_COUNT_WRONG = "chunk_count_wrong"
    CHUNK_LENGTH_WRONG = "chunk_length_wrong"
    VIDEO_FILE_UNREFERENCED = "video_file_unreferenced"
    VIDEO_FILE_MISSING = "video_file_missing"
    VIDEO_UNFINISHED = "video_unfinished"
    VIDEO_UNUSED = "video_unused"
    VIDEO_UNDISCARDED = "video_undiscarded"
    VIDEO_UNSETTLED = "video_unsettled"
    VIDEO_USER_WRONG = "video_user_wrong"
    CONVERSION_VIDEO_MISSING = "conversion_video_missing"
    CONVERSION_VIDEO_UNCLAIMED = "conversion_video_unclaimed"
    CONVERSION_STUCK = "conversion_stuck"
    AUDIO_MISSING = "audio_missing"
    AUDIO_UNREFERENCED = "audio_unreferenced"
    AUDIO_UNDISCARDED = "audio_undiscarded"
    CLAIM_MISSING = "claim_missing"
    CLAIM_UNSETTLED = "claim_unsettled"
    CLAIM_STILL_RUNNING = "claim_still_running"
    CLAIM_WITHOUT_CONVERSION = "claim_without_conversion"
    CHECKPOINT_LEFT = "checkpoint_left"
    OUTCOME_MISMATCH = "outcome_mismatch"
    NOTICE_MISSING = "notice_missing"
    NOTICE_MISMATCH = "notice_mismatch"
    DELIVERY_WITHOUT_CONVERSION = "delivery_without_conversion"
    DELIVERY_STUCK = "delivery_stuck"
    WEBHOOK_UNRECORDED = "webhook_unrecorded"
    CANCELLATION_UNCONFIRMED = "cancellation_unconfirmed"
    DELETION_UNCONFIRMED = "deletion_unconfirmed"
    OUTBOX_UNSENT = "outbox_unsent"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: in which store, and the id of the document."""

    kind: Kind
    store: str
    id: str
    detail: str

    @property
    def key(self) -> tuple[Kind, str, str]:
        """Know it again in a second look, whose details may read differently."""
        return self.kind, self.store, self.id

    def line(self) -> str:
        """Write it for people and for grep: kind, store, id, and a sentence."""
        return f"{self.kind} {self.store} {self.id}: {self.detail}"

    def json_line(self) -> str:
        """Write it for programs."""
        return json.dumps(asdict(self))
