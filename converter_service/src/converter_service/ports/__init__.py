"""What the use cases need of the world; the contracts are in the docstrings."""

from converter_service.ports.files import AudioStore, CheckpointStore, VideoStore
from converter_service.ports.records import ClaimStore, GiveUps, Standing, TombstoneStore
from converter_service.ports.work import (
    Checkpoints,
    Engine,
    Progress,
    ProgressChannel,
    Workplace,
    Workshop,
)

__all__ = [
    "AudioStore",
    "CheckpointStore",
    "Checkpoints",
    "ClaimStore",
    "Engine",
    "GiveUps",
    "Progress",
    "ProgressChannel",
    "Standing",
    "TombstoneStore",
    "VideoStore",
    "Workplace",
    "Workshop",
]
