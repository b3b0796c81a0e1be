"""What a look at a file's bytes finds, and which of its tracks is meant."""

from __future__ import annotations

from dataclasses import dataclass

from converter_service.domain.failures import NoAudio, NoSuchTrack
from converter_service.domain.options import TrackChoice
from converter_service.domain.sound import SourceAudio

# ISO 639-2 has two codes for these: one for libraries, one for everybody else.
TWICE_NAMED = {
    "alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces",
    "dut": "nld", "fre": "fra", "geo": "kat", "ger": "deu", "gre": "ell", "ice": "isl",
    "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas", "rum": "ron", "slo": "slk",
    "tib": "bod", "wel": "cym",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Track:
    """An audio track, and how far it reaches. `bits` is what a lossless copy needs."""

    audio: SourceAudio
    sample_rate_hz: int
    channels: int
    language: str = ""
    title: str = ""
    is_default: bool = False
    bits: int = 16


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a file that has a name, from the beginning of the file."""

    start_ns: int
    end_ns: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a file has of itself."""

    content_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file. `chosen` is the index of the audio track that was asked for."""

    container: str
    tracks: tuple[Track, ...]
    chapters: tuple[Chapter, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    cover: Picture | None = None
    chosen: int = 0

    @property
    def track(self) -> Track:
        """Give the track that was asked for."""
        return self.tracks[self.chosen]

    def find(self, choice: TrackChoice) -> int:
        """Tell which track is meant. Raises `NoAudio` and `NoSuchTrack`."""
        if not self.tracks:
            raise NoAudio
        if choice.language:
            return self._speaking(choice.language)
        index = choice.index or 0
        if index >= len(self.tracks):
            raise NoSuchTrack
        if not self.tracks[index].audio.packets:
            raise NoAudio
        return index

    def _speaking(self, language: str) -> int:
        wanted = _one_name(language)
        for index, track in enumerate(self.tracks):
            if track.audio.packets and _one_name(track.language) == wanted:
                return index
        raise NoSuchTrack


def _one_name(language: str) -> str:
    name = language.lower()
    return TWICE_NAMED.get(name, name)
