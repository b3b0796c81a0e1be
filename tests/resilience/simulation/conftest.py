"""A small world for scripted tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .scripts import COUNTS
from .world import World, determined


@pytest.fixture
def world() -> Iterator[World]:
    """Give a world whose gateways listen; its clocks are an hour apart."""
    with determined(1) as bugs:
        world = World(COUNTS, [0.0, 3600.0, -3600.0], bugs)
        while len(world.gateways()) < COUNTS["gateway"]:
            assert world.step(0.0)
        yield world
        world.close()
