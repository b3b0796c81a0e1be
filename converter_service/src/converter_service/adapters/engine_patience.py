"""How long the engine may take over audio of some length, and how large it may get."""

from __future__ import annotations

from dataclasses import dataclass

from converter_service.adapters.child import Limits
from converter_service.engine.encodings import LOSSY_SECOND_BYTES

# What the packets carry may be exceeded by less than a minute: more fails anyway, and is not worth
# its place on the disk.
SPARE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the engine may take, and how large its file may get.

    A fixed time, and more in proportion to the audio.
    """

    least_seconds: float = 60.0
    seconds_a_second: float = 1.0
    stall_seconds: float = 20.0
    # What is decoded for nothing shows no progress; ten times as fast as it plays is slow.
    stall_share: float = 0.1
    most_file_bytes: int = 4 * 1024**3

    def limits(self, audio_seconds: float, second_bytes: int = LOSSY_SECOND_BYTES) -> Limits:
        """Bound a run over so much audio that takes so many bytes a second at most."""
        return Limits(
            self.least_seconds + self.seconds_a_second * audio_seconds,
            file_bytes=min(
                self.most_file_bytes, int((audio_seconds + SPARE_SECONDS) * second_bytes)
            ),
        )
