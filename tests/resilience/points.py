"""The failpoints at which a pipeline can break: before and after every step that matters."""

from __future__ import annotations

STEPS = {
    "gateway": (
        "ledger.begin",
        "video_sink.write",
        "video_sink.commit",
        "ledger.store",
        "conversions.add",
        "ledger.settle",
        "conversions.replace",
        "conversions.remind",
        "producer.send",
        "outbox.unsent",
        "outbox.sent",
    ),
    "converter": (
        "claims.claim",
        "claims.announce_start",
        "videos.copy",
        "engine.inspect",
        "engine.encode",
        "engine.decode",
        "audio.put",
        "claims.renew",
        "claims.finish",
        "producer.send",
        "outbox.sent",
    ),
    "notifier": (
        "deliveries.record",
        "deliveries.claim",
        "mailer.send",
        "deliveries.settle",
        "deliveries.announce",
        "producer.send",
        "outbox.sent",
    ),
}
POINTS = tuple(
    f"{service}.{step}.{moment}"
    for service, steps in STEPS.items()
    for step in steps
    for moment in ("before", "after")
)
