"""Put what is known about audio into its file."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

from converter_service.adapters.disk import disk_errors
from converter_service.domain import Format, Recipe, chapters_of, has_cover, tags_of
from converter_service.engine.id3 import Image, Mark, id3_tag
from converter_service.engine.notes import chapter_tags, notes
from converter_service.engine.picture import flac_head_with, picture_block

NANOSECONDS_A_MILLISECOND = 1_000_000
HEAD_BYTES = 64


def write_notes(recipe: Recipe, cover: Path, target: Path) -> None:
    """Write tags and chapters for ffmpeg to put into what it makes; blocks."""
    tags, marks = tags_of(recipe), _marks(recipe)
    made = recipe.options.format
    with disk_errors():
        if made in (Format.OPUS, Format.FLAC):
            tags, marks = tags | chapter_tags(marks), []
        if made is Format.OPUS and (image := _image(recipe, cover)):
            block = base64.b64encode(picture_block(image)).decode()
            tags["METADATA_BLOCK_PICTURE"] = block
        target.write_text(notes(tags, marks), encoding="utf-8")


def label(recipe: Recipe, audio: Path, cover: Path) -> None:
    """Write what ffmpeg did not, and leave all frames as they are; blocks.

    An MP3 gets an ID3 tag before its first frame, FLAC its picture.
    """
    with disk_errors():
        image = _image(recipe, cover)
        match recipe.options.format:
            case Format.MP3:
                tag = id3_tag(tags_of(recipe), _marks(recipe), image)
                if tag:
                    _begin_with(tag, audio, skipped=0)
            case Format.FLAC if image is not None:
                with audio.open("rb") as file:
                    head, end = flac_head_with(image, file.read(HEAD_BYTES))
                _begin_with(head, audio, skipped=end)
            case _:
                return


def _begin_with(head: bytes, audio: Path, *, skipped: int) -> None:
    labelled = audio.with_name(f"{audio.name}.labelled")
    with audio.open("rb") as file, labelled.open("wb") as target:
        file.seek(skipped)
        target.write(head)
        shutil.copyfileobj(file, target, 1024 * 1024)
    labelled.replace(audio)


def _image(recipe: Recipe, cover: Path) -> Image | None:
    if recipe.source.cover is None or not has_cover(recipe):
        return None
    return Image(recipe.source.cover.content_type, cover.read_bytes())


def _marks(recipe: Recipe) -> list[Mark]:
    return [
        Mark(
            each.start_ns // NANOSECONDS_A_MILLISECOND,
            each.end_ns // NANOSECONDS_A_MILLISECOND,
            each.title,
        )
        for each in chapters_of(recipe)
    ]
