"""The failpoints at which a pipeline can break: before and after every step that matters."""

from __future__ import annotations

STEPS = {
    "gateway": (
        # An upload, up to its answer.
        "ledger.begin",
        "video_sink.write",
        "video_sink.commit",
        "ledger.store",
        "conversions.add",
        # What it promised, and what comes back.
        "outbox.pending",
        "producer.send",
        "outbox.mark_published",
        "conversions.replace",
        "conversions.silent",
        # What is forgotten.
        "ledger.release",
        "records.video_released",
        "videos.delete",
        "ledger.remove",
        "records.done_with_audio",
    ),
    "converter": (
        "claims.claim",
        "claims.announce_start",
        "videos.copy",
        "engine.inspect",
        "checkpoints.fetch",
        "engine.encode",
        "checkpoints.keep",
        "claims.renew",
        "engine.decode",
        "claims.name_audio",
        "audio.put",
        "claims.finish",
        "outbox.pending",
        "producer.send",
        "outbox.mark_published",
        "claims.call_off",
        "audio.remove_all",
        "checkpoints.remove",
        "claims.settle",
    ),
    "notifier": (
        "webhooks.load",
        "deliveries.record",
        "deliveries.branch",
        "deliveries.claim",
        "mailer.send",
        "courier.post",
        "deliveries.settle",
        "outbox.pending",
        "producer.send",
        "outbox.mark_published",
        "deliveries.forget",
    ),
}
POINTS = tuple(
    f"{service}.{step}.{moment}"
    for service, steps in STEPS.items()
    for step in steps
    for moment in ("before", "after")
)
