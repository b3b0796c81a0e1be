"""What the notifier measures."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

# Counter, attempts. channel: mail, webhook. result: delivered, postponed, abandoned, superseded
# (another notifier took over, or the conversion was deleted), failed (a bug; the log says which).
ATTEMPTS = Counter(
    "tonearm_notifier_attempts_total",
    "Attempts to hand a notice over, by channel and result.",
    ["channel", "result"],
)
# Histogram, seconds. channel: as above. One attempt, from the claim to the record of what became
# of it.
ATTEMPT_SECONDS = Histogram(
    "tonearm_notifier_attempt_seconds",
    "How long attempts to hand a notice over took, by channel.",
    ["channel"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
