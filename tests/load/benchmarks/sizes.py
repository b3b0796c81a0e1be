"""How much is measured: for figures, or only to see that the benchmarks run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """So much of everything; lengths of audio in seconds."""

    rounds: int
    long_seconds: float
    short_seconds: float
    large_megabytes: int
    longest_seconds: float
    seeds: int
    kinds: int
    small_jobs: int
    machine_seconds: float


FULL = Size(
    rounds=5,
    long_seconds=600.0,
    short_seconds=30.0,
    large_megabytes=300,
    longest_seconds=36_000.0,
    seeds=6,
    kinds=6,
    small_jobs=100,
    machine_seconds=300.0,
)
QUICK = Size(
    rounds=1,
    long_seconds=45.0,
    short_seconds=5.0,
    large_megabytes=20,
    longest_seconds=600.0,
    seeds=1,
    kinds=1,
    small_jobs=4,
    machine_seconds=20.0,
)
