"""What is written into a file about its audio: tags, chapters, a picture."""

from __future__ import annotations

from converter_service.domain.options import Chapters, Cover, TagsOrigin
from converter_service.domain.recipe import NANOSECONDS, Recipe
from converter_service.domain.sources import Chapter


def tags_of(recipe: Recipe) -> dict[str, str]:
    """Give the tags, sorted by name: the source's, but for those that were given."""
    wanted = recipe.options.tags
    found = dict(recipe.source.tags) if wanted.origin is TagsOrigin.SOURCE else {}
    return dict(sorted((found | dict(wanted.given)).items()))


def chapters_of(recipe: Recipe) -> tuple[Chapter, ...]:
    """Give the chapters as they lie in what is kept; those that lie outside are gone."""
    if recipe.options.chapters is Chapters.DROP:
        return ()
    shift = round(recipe.skipped_seconds * NANOSECONDS)
    length = round(recipe.seconds * NANOSECONDS)
    moved = (
        Chapter(max(0, each.start_ns - shift), min(length, each.end_ns - shift), each.title)
        for each in recipe.source.chapters
    )
    return tuple(each for each in moved if each.start_ns < each.end_ns)


def has_cover(recipe: Recipe) -> bool:
    """Tell whether the source's picture of itself is wanted, and there."""
    return recipe.options.cover is Cover.SOURCE and recipe.source.cover is not None
