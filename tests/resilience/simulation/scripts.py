"""Steps that scripted tests share."""

from __future__ import annotations

from .loop import Process
from .media import Kind
from .world import World, upload_of

COUNTS = {"gateway": 2, "converter": 2, "notifier": 2}


def uploaded(world: World, kind: Kind) -> str:
    """Upload a video until it is accepted; give its conversion's id."""
    known = set(world.checker.accepted_by)
    world.begin_upload(world.gateways()[0], upload_of(len(known), kind))
    while not set(world.checker.accepted_by) - known:
        assert world.step(world.loop.now)
    return (set(world.checker.accepted_by) - known).pop()


def row(world: World, key: str) -> dict[str, object]:
    """Read a conversion."""
    return world.server.rows_of("gateway", "conversions").documents[key]


def worker(world: World) -> Process:
    """Give the process whose engine runs, once there is one."""
    while not world.trouble.workers():
        assert world.step(world.loop.now)
    return world.trouble.workers()[0]


def claimed_state(world: World, key: str) -> str:
    """Read what the converters say of a conversion."""
    claim = world.server.rows_of("converter", "claims").documents.get(key, {"state": ""})
    return str(claim["state"])
