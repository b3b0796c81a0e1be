"""Everything a converter measures: all names in one place."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# From a ringtone (0.3 s) to a day of lectures.
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 10800)

CONVERSIONS = Counter(
    "tonearm_converter_conversions_total",
    "Conversions that ended here, by result: SUCCEEDED, a failure reason, or why they were given "
    "up (CLAIM_LOST, OUTAGE, NO_ROOM, ENGINE_FAILED, DRAINED).",
    ["result"],
)
STEP_SECONDS = Histogram(
    "tonearm_converter_step_seconds",
    "How long the steps of a conversion took, by step (copy, inspect, encode, decode, store).",
    ["step"],
    buckets=SECONDS,
)
AUDIO_SECONDS = Counter(
    "tonearm_converter_audio_seconds_total", "Playing time of the audio that was made."
)
SLOTS = Gauge("tonearm_converter_slots_count", "Conversions that may run at a time.")
RUNNING = Gauge("tonearm_converter_running_count", "Conversions that are running now.")
ORDERS = Counter(
    "tonearm_converter_orders_total",
    "Orders that came in, by what became of them (claimed, left, held, over).",
    ["result"],
)
ENGINE_SUSPECTED = Gauge(
    "tonearm_converter_engine_suspected",
    "1 while the engine failed with several conversions in a row and is probed, else 0.",
)
CHECKPOINTS = Counter(
    "tonearm_converter_checkpoints_total",
    "Encoded chunks, by what became of them (kept; used: somebody went on from them).",
    ["result"],
)
CALLED_OFF = Counter(
    "tonearm_converter_called_off_total",
    "Conversions that were called off and cleaned up here, by ending (CANCELLED, DELETED).",
    ["ending"],
)
STRAYS = Counter(
    "tonearm_converter_strays_removed_total",
    "Audio removed that no conversion named, by kind (file, fragment).",
    ["kind"],
)
