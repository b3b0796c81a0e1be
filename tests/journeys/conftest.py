"""A running stack for the journeys: embedded always, on real servers where they are installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from media import make_video
from rest_client import Account, RestClient

from tonearm_local.stack import Stack

REAL_PARTS = ("MariaDB", "Apache Kafka")


@pytest.fixture(scope="session", params=["embedded", "real"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a stack for the whole session."""
    with Stack(tmp_path_factory.mktemp(request.param), real=request.param == "real") as stack:
        absent = [each for each in stack.blueprint.notices if not each.startswith("real:")]
        missing = [each for each in absent if any(part in each for part in REAL_PARTS)]
        if missing and os.environ.get("REQUIRE_REAL"):
            pytest.fail(f"REQUIRE_REAL is set: {'; '.join(missing)}")
        if missing:
            pytest.skip("; ".join(missing))
        yield stack


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a video of five seconds."""
    return make_video(tmp_path_factory.mktemp("video") / "holiday.mp4", seconds=5)


@pytest.fixture
def new_caller(stack: Stack) -> Iterator[Callable[[], RestClient]]:
    """Make callers that nobody knows yet."""
    with ExitStack() as callers:
        yield lambda: callers.enter_context(RestClient(stack.url))


@pytest.fixture
def new_account(new_caller: Callable[[], RestClient]) -> Callable[[], Account]:
    """Open accounts."""
    return lambda: new_caller().register()


@pytest.fixture
def caller(new_caller: Callable[[], RestClient]) -> RestClient:
    """Be a caller who is logged in with an account of their own."""
    caller = new_caller()
    caller.login(caller.register())
    return caller
