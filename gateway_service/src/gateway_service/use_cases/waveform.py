"""Hand the waveform of an MP3 to its owner."""

from __future__ import annotations

from gateway_service.domain import AccountId, ConversionId, UnknownWaveform, Waveform
from gateway_service.ports import AudioStore, MissingAudio
from gateway_service.use_cases.read import FindAudio


class GetWaveform:
    """Fetch the waveform of one of one's own conversions."""

    def __init__(self, find: FindAudio, audio: AudioStore) -> None:
        """Look for MP3s with `find`, and for what belongs to them in `audio`."""
        self._find = find
        self._audio = audio

    async def __call__(self, account_id: AccountId, conversion_id: ConversionId) -> Waveform:
        """Fetch it; raise what a download raises, or `UnknownWaveform`."""
        _, audio = await self._find(account_id, conversion_id)
        try:
            found = await self._audio.waveform(audio.id)
        except MissingAudio:
            # It may have been deleted, or have expired, since it was found.
            await self._find(account_id, conversion_id)
            raise
        if found is None:
            message = "this MP3 was made before waveforms were; convert the video again"
            raise UnknownWaveform(message)
        return found
