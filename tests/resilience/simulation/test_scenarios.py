"""What schedules of chance rarely hit on time: promptness, the wiped bus, the sleeping worker."""

from __future__ import annotations

import pytest

from tonearm_chassis.envelope import Envelope

from .bus import Message
from .gates import Fate
from .media import Kind
from .scripts import claimed_state, row, uploaded, worker
from .services import LEASE_SECONDS, REMIND_SECONDS
from .world import World, upload_of

PATIENCE_SECONDS = 120.0


def test_without_faults_nothing_waits_for_a_reminder(world: World) -> None:
    key = uploaded(world, Kind.SHORT)

    world.run(REMIND_SECONDS - 0.5)

    assert row(world, key)["state"] == "SUCCEEDED"
    assert len(world.mails) == 1
    assert not world.checker.unfinished()
    assert row(world, key)["reminders"] == 0


@pytest.mark.parametrize("wish", ["cancel", "delete"])
def test_without_faults_a_wish_is_confirmed_before_a_reminder(world: World, wish: str) -> None:
    key = uploaded(world, Kind.LONG)
    worker(world)

    getattr(world, wish)(world.gateways()[0], key)
    world.run(REMIND_SECONDS - 0.5)

    assert not world.checker.unfinished()
    assert row(world, key)["reminders"] == 0


def test_a_wiped_bus_delays_nothing_by_more_than_ten_seconds(world: World) -> None:
    key = uploaded(world, Kind.LONG)
    world.network.away.add("bus")
    world.run(100.0)  # reminders are rare by now
    world.network.away.clear()
    until = world.loop.now + 3.0
    while world.step(until):  # what was promised meanwhile is sent, and lost
        world.bus.wipe()

    world.run(10.0)

    assert row(world, key)["state"] == "RUNNING"


def test_a_dead_worker_is_replaced_within_twenty_seconds(world: World) -> None:
    key = uploaded(world, Kind.LONG)
    died = worker(world)
    world.run(3.0)

    world.kill(died, take_requests=True)
    world.run(20.0)

    assert worker(world) is not died
    assert row(world, key)["fence"] == 2


def test_a_worker_that_overslept_stops_within_two_seconds_and_changes_nothing(
    world: World,
) -> None:
    uploaded(world, Kind.LONG)
    sleeper = worker(world)
    world.run(1.0)
    sleeper.is_stopped = True
    world.faults += 1
    world.run(LEASE_SECONDS * 1.5)

    world.loop.resume(sleeper)
    world.run(2.0)

    assert sleeper not in world.trouble.workers()
    world.settle()


@pytest.mark.parametrize("wish", ["cancel", "delete"])
def test_what_is_called_off_is_not_worked_on_after_two_seconds(world: World, wish: str) -> None:
    key = uploaded(world, Kind.LONG)
    worker(world)

    getattr(world, wish)(world.gateways()[0], key)
    world.run(2.0)

    assert not world.trouble.workers()
    world.settle()


def test_a_worker_keeps_its_claim_for_as_long_as_it_works(world: World) -> None:
    key = uploaded(world, Kind.LONG)

    world.run(Kind.LONG.value + 3.0)

    assert row(world, key)["state"] == "SUCCEEDED"
    assert row(world, key)["fence"] == 1


def test_a_conversion_that_succeeded_cannot_be_called_off(world: World) -> None:
    key = uploaded(world, Kind.SHORT)
    world.run(REMIND_SECONDS)

    world.cancel(world.gateways()[0], key)
    world.run(1.0)

    assert row(world, key)["state"] == "SUCCEEDED"


def test_an_upload_that_takes_longer_than_a_dead_one_may_is_not_swept(world: World) -> None:
    upload = upload_of(0, Kind.SHORT, seconds_a_piece=30.0)

    world.begin_upload(world.gateways()[0], upload)
    world.run(90.0)

    assert upload.answers
    world.settle()


def lose_news(world: World, seconds: float) -> None:
    """Let nothing reach the gateways for a while."""
    until = world.loop.now + seconds
    while world.step(until):
        world.bus.queues["gateway"].clear()


def test_what_was_told_and_lost_is_told_again(world: World) -> None:
    key = uploaded(world, Kind.SHORT)

    lose_news(world, 3.0)
    assert row(world, key)["state"] == "QUEUED"
    while not world.mails:
        assert world.loop.now < PATIENCE_SECONDS
        world.step(world.loop.now + 1.0)
    lose_news(world, 3.0)
    assert not row(world, key)["notified"]

    world.settle()


def test_an_order_that_comes_late_does_not_revive_what_was_called_off(world: World) -> None:
    key = uploaded(world, Kind.LONG)
    while not world.bus.queues["converter"]:
        assert world.step(world.loop.now)
    order = world.bus.queues["converter"][0]
    worker(world)
    world.cancel(world.gateways()[0], key)
    world.run(3.0)

    world.bus.queues["converter"].append(order)
    world.run(3.0)

    assert not world.trouble.workers()
    world.settle()


def test_news_that_was_read_before_a_cancellation_changes_nothing_after_it(world: World) -> None:
    key = uploaded(world, Kind.SHORT)
    held = None
    while held is None:
        assert world.loop.now < PATIENCE_SECONDS
        world.step(world.loop.now + 1.0)
        working = {each.process for each in world.bus.consumers if each.working is not None}
        if claimed_state(world, key) == "SUCCEEDED":
            writes = [each for each in world.network.gates if each.name.endswith("update_one")]
            news = [each for each in writes if each.process.name.startswith("gateway")]
            held = next((each for each in news if each.process in working), None)
    world.network.gates.remove(held)  # it stays on its way for a while
    other = next(each for each in world.gateways() if each.process is not held.process)

    world.cancel(other, key)
    world.run(2.0)
    assert row(world, key)["state"] == "CANCELLED"
    world.network.gates.append(held)
    world.run(2.0)

    assert row(world, key)["state"] == "CANCELLED"
    world.settle()


def test_news_that_comes_after_a_cancellation_changes_nothing(world: World) -> None:
    key = uploaded(world, Kind.SHORT)
    kept: list[Message] = []
    while claimed_state(world, key) != "SUCCEEDED" or world.loop.now < REMIND_SECONDS - 1:
        assert world.step(world.loop.now + 1.0)
        kept += world.bus.queues["gateway"]
        world.bus.queues["gateway"].clear()
    world.cancel(world.gateways()[0], key)
    world.run(1.0)

    world.bus.queues["gateway"] += kept
    world.run(2.0)

    assert kept
    assert row(world, key)["state"] == "CANCELLED"
    world.settle()


def test_a_gateway_whose_clock_is_wrong_sweeps_no_live_upload_when_it_starts(world: World) -> None:
    upload = upload_of(0, Kind.SHORT, seconds_a_piece=20.0)
    gateway, other = world.gateways()
    world.kill(other.process, take_requests=True)
    world.begin_upload(gateway, upload)
    world.run(5.0)

    world.start(other.process.name, skew_seconds=3600.0)
    world.run(60.0)

    assert upload.answers


def test_a_mail_that_is_under_way_for_long_is_not_sent_by_another_notifier(world: World) -> None:
    uploaded(world, Kind.SHORT)
    while not (sending := [each for each in world.network.gates if each.name == "send"]):
        assert world.loop.now < PATIENCE_SECONDS
        world.step(world.loop.now + 1.0)
    world.network.gates.remove(sending[0])  # it stays on its way

    world.run(LEASE_SECONDS * 2)

    assert not world.mails
    assert not [each for each in world.network.gates if each.name == "send"]
    world.network.gates.append(sending[0])
    world.settle()
    assert len(world.mails) == 1


def test_an_endpoint_that_hangs_holds_up_no_mail_and_is_told_later(world: World) -> None:
    key = uploaded(world, Kind.SHORT)
    while not (telling := [each for each in world.network.gates if each.name == "post"]):
        assert world.loop.now < PATIENCE_SECONDS
        world.step(world.loop.now + 1.0)
    world.network.gates.remove(telling[0])  # it stays on its way

    world.run(LEASE_SECONDS * 2)

    assert len(world.mails) == 1
    assert world.server.rows_of("gateway", "conversions").documents[key]["notified"]
    assert not world.hooks
    world.network.gates.append(telling[0])
    world.settle()
    assert world.hooks == [f"{key}:webhook:hers"]


def test_an_endpoint_is_told_though_the_notifier_died_before_all_was_recorded(
    world: World,
) -> None:
    key = uploaded(world, Kind.SHORT)
    name = "webhook_deliveries.insert_one"
    while not (recording := [each for each in world.network.gates if name in each.name]):
        assert world.loop.now < PATIENCE_SECONDS
        world.step(world.loop.now + 1.0)
    world.kill(recording[0].process, take_requests=True)
    world.bus.wipe()

    world.settle()

    assert len(world.mails) == 1
    assert world.hooks == [f"{key}:webhook:hers"]


def test_messages_that_come_ten_times_make_one_mp3_and_one_mail(world: World) -> None:
    put_once = world.bus.put

    def put(topic: str, envelope: Envelope) -> None:
        for _ in range(10):
            put_once(topic, envelope)

    world.bus.put = put  # type: ignore[method-assign] # it is this world's own
    key = uploaded(world, Kind.SHORT)

    world.run(REMIND_SECONDS * 2)

    assert row(world, key)["state"] == "SUCCEEDED"
    assert len(world.mails) == 1
    assert len(world.audio.files) == 1
    world.settle()
    assert len(world.mails) == 1


@pytest.mark.parametrize("step", ["audio.write", "audio.commit"])
def test_what_a_dead_worker_stores_too_late_is_swept(world: World, step: str) -> None:
    uploaded(world, Kind.SHORT)
    while not (storing := [each for each in world.network.gates if each.name == step]):
        assert world.loop.now < PATIENCE_SECONDS
        world.step(world.loop.now + 1.0)
    world.network.gates.remove(storing[0])  # it stays on its way
    world.kill(storing[0].process, take_requests=True)
    world.run(LEASE_SECONDS + 10.0)

    world.network.gates.append(storing[0])
    world.run(1.0)

    assert len(world.audio.pieces) == 2
    world.settle()


@pytest.mark.parametrize("wish", ["cancel", "delete"])
def test_a_worker_that_is_not_told_sees_by_itself_that_it_was_called_off(
    world: World, wish: str
) -> None:
    key = uploaded(world, Kind.LONG)
    holder = worker(world)
    deaf = [each for each in world.bus.consumers if each.process is holder]
    world.bus.consumers = [each for each in world.bus.consumers if each not in deaf]

    getattr(world, wish)(world.gateways()[0], key)
    world.run(2.0)

    assert not world.trouble.workers()
    world.bus.consumers += deaf
    world.settle()


def test_a_request_whose_answer_was_lost_is_repeated_and_changes_nothing(world: World) -> None:
    key = uploaded(world, Kind.SHORT)
    for _ in range(60):
        if world.network.gates:
            world.open(world.network.gates[0], Fate.ANSWER_LOST)
        else:
            world.step(world.loop.now + 5.0)

    world.settle()

    assert row(world, key)["state"] == "SUCCEEDED"
