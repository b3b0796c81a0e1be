"""The contract of `DeliveryStore`, over the fake and over MongoDB."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from notifier_fakes import OWNER, STRANGER, InMemoryDeliveryStore, a_notice
from pymongo import AsyncMongoClient

from notifier_service import wire
from notifier_service.adapters.mongo_deliveries import MongoDeliveryStore
from notifier_service.domain import BY_MAIL, Channel, Deleted, Delivery, Position, Route, State
from notifier_service.ports import DeliveryStore
from tonearm.events.v1 import events_pb2
from tonearm_chassis.clock import Clock, SystemClock
from tonearm_chassis.errors import Outage
from tonearm_chassis.mongo import Document, connect, database
from tonearm_chassis.outbox import MongoOutbox, Outbox
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.mongo import mongo_program, mongo_server

# PyMongo leaves the socket of a monitor that is cancelled while it connects to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

LONG = 60.0
SHORT = 0.2
HOOKS = ("w1", "w2")
COLLECTIONS = ("deliveries", "webhook_deliveries")


@pytest.fixture(scope="module")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a MongoDB-compatible server runs."""
    if mongo_program() is None:
        pytest.skip(reason="no MongoDB-compatible server: the secantusdb wheel is not installed")
    with mongo_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@dataclass(frozen=True, slots=True)
class Subject:
    """A store, what it promised, and the clock by which its leases pass."""

    store: DeliveryStore
    outbox: Outbox
    clock: Clock


@pytest.fixture(params=["in_memory", "mongodb"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "in_memory":
        clock = FakeClock()
        fake = InMemoryDeliveryStore(clock)
        yield Subject(fake, fake, clock)
        return
    client = connect(request.getfixturevalue("mongodb_uri"))
    try:
        notifier = database(client, f"notifier-{uuid.uuid4().hex}")
        store, outbox = MongoDeliveryStore(notifier), MongoOutbox(notifier["deliveries"])
        await store.prepare()
        await outbox.prepare()
        yield Subject(store, outbox, SystemClock())
    finally:
        await client.close()
        gc.collect()


def key_of(number: int = 1) -> str:
    return BY_MAIL.key(a_notice(number).conversion_id)


async def claimed(subject: Subject, lease_seconds: float = LONG) -> Delivery:
    delivery = await subject.store.claim(Channel.MAIL, lease_seconds)
    assert delivery is not None
    return delivery


async def test_a_recorded_notice_is_due_at_once_and_keeps_every_part_of_it(
    subject: Subject,
) -> None:
    notice = replace(a_notice(name="$HOME/🎬.mp4"), failure_message="$why", traceparent="00-1-2-3")

    await subject.store.record(notice)
    delivery = await claimed(subject)

    assert delivery.notice == notice
    assert delivery.state is State.PENDING


async def test_recording_a_notice_twice_keeps_the_first(subject: Subject) -> None:
    first = await subject.store.record(a_notice(name="first.mp4"))

    second = await subject.store.record(a_notice(name="second.mp4"))

    assert second == first


async def test_recording_a_notice_many_times_at_once_makes_one_delivery(subject: Subject) -> None:
    await asyncio.gather(*(subject.store.record(a_notice()) for _ in range(10)))

    assert (await claimed(subject)).key == key_of()
    assert await subject.store.claim(Channel.MAIL, LONG) is None


async def test_nothing_is_claimed_when_nothing_is_recorded(subject: Subject) -> None:
    assert await subject.store.claim(Channel.MAIL, LONG) is None


async def test_every_claim_of_several_at_once_gets_another_delivery(subject: Subject) -> None:
    for number in range(5):
        await subject.store.record(a_notice(number))

    claims = await asyncio.gather(*(subject.store.claim(Channel.MAIL, LONG) for _ in range(8)))

    keys = [claim.key for claim in claims if claim]
    assert len(keys) == len(set(keys)) == 5


async def test_a_leased_delivery_comes_again_only_when_its_lease_is_over(subject: Subject) -> None:
    await subject.store.record(a_notice())
    first = await claimed(subject, SHORT)

    during = await subject.store.claim(Channel.MAIL, SHORT)
    await subject.clock.sleep(2 * SHORT)
    after = await subject.store.claim(Channel.MAIL, SHORT)

    assert during is None
    assert after is not None
    assert (first.attempts, after.attempts) == (1, 2)


async def test_whoever_lost_the_lease_can_change_nothing(subject: Subject) -> None:
    await subject.store.record(a_notice())
    zombie = await claimed(subject, SHORT)
    await subject.clock.sleep(2 * SHORT)
    current = await claimed(subject)

    settled = await subject.store.settle(zombie.delivered(subject.clock.now()))
    postponed = await subject.store.postpone(zombie, "late", LONG)

    assert (settled, postponed) == (False, False)
    assert await subject.outbox.pending(10) == []
    assert await subject.store.settle(current.delivered(subject.clock.now()))


async def test_a_postponed_delivery_is_due_again_after_its_pause(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)

    assert await subject.store.postpone(delivery, "$busy", SHORT)

    assert await subject.store.claim(Channel.MAIL, LONG) is None
    await subject.clock.sleep(2 * SHORT)
    again = await claimed(subject)
    assert (again.attempts, again.last_error) == (2, "$busy")


async def test_the_delivery_that_is_due_the_longest_comes_first(subject: Subject) -> None:
    await subject.store.record(a_notice(2))
    await subject.clock.sleep(0.01)
    await subject.store.record(a_notice(1))

    first = await claimed(subject)

    assert first.key == key_of(2)


async def test_settling_records_the_outcome_and_promises_to_tell_it(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)
    moment = subject.clock.now()

    assert await subject.store.settle(delivery.delivered(moment))

    stored = await subject.store.record(a_notice())
    assert (stored.state, stored.settled_at) == (State.DELIVERED, moment)
    (entry,) = await subject.outbox.pending(10)
    assert entry.topic == "tonearm.conversion-events.v1"
    assert entry.envelope.open(events_pb2.NotificationDelivered).delivered


async def test_a_settled_delivery_is_never_claimed_nor_changed_again(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject, SHORT)
    await subject.store.settle(delivery.abandoned(subject.clock.now(), "no such user"))
    await subject.clock.sleep(2 * SHORT)

    again = await subject.store.claim(Channel.MAIL, LONG)
    settled = await subject.store.settle(delivery.delivered(subject.clock.now()))

    assert again is None
    assert not settled
    stored = await subject.store.record(a_notice())
    assert (stored.state, stored.last_error) == (State.ABANDONED, "no such user")


async def test_announcing_again_promises_once_until_the_promise_is_kept(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)
    settled = delivery.delivered(subject.clock.now())
    await subject.store.settle(settled)
    (entry,) = await subject.outbox.pending(10)

    await subject.store.announce(settled)
    before = await subject.outbox.pending(10)
    await subject.outbox.mark_published(entry)
    kept = await subject.outbox.pending(10)
    await subject.store.announce(settled)
    after = await subject.outbox.pending(10)

    assert before == [entry]
    assert kept == []
    assert [each.envelope.id for each in after] == [entry.envelope.id]


async def test_the_list_shows_only_the_owners_own_newest_first(subject: Subject) -> None:
    for number in (1, 2, 3):
        await subject.store.record(a_notice(number))
        await subject.clock.sleep(0.01)
    await subject.store.record(a_notice(4, account_id=STRANGER))

    shown = await subject.store.newest(OWNER, "", None, 10)

    assert [each.key for each in shown] == [key_of(number) for number in (3, 2, 1)]


async def test_the_list_can_be_narrowed_to_one_conversion(subject: Subject) -> None:
    await subject.store.record(a_notice(1))
    await subject.store.record(a_notice(2))

    shown = await subject.store.newest(OWNER, a_notice(2).conversion_id, None, 10)

    assert [each.key for each in shown] == [key_of(2)]


async def test_pages_that_follow_one_another_miss_and_repeat_nothing(subject: Subject) -> None:
    # Recorded as fast as it goes: several share a millisecond.
    await asyncio.gather(*(subject.store.record(a_notice(number)) for number in range(7)))

    seen: list[Delivery] = []
    after: Position | None = None
    while page := await subject.store.newest(OWNER, "", after, 2):
        seen += page
        after = Position(page[-1].requested_at, page[-1].key)

    assert sorted(each.key for each in seen) == [key_of(number) for number in range(7)]


async def test_what_is_to_be_passed_over_is_not_claimed(subject: Subject) -> None:
    for number in (1, 2):
        await subject.store.record(a_notice(number))
        await subject.clock.sleep(0.01)

    first = await subject.store.claim(Channel.MAIL, LONG, {key_of(1)})
    second = await subject.store.claim(Channel.MAIL, LONG, {key_of(1), key_of(2)})

    assert first is not None
    assert first.key == key_of(2)
    assert second is None


async def test_what_is_of_an_account_to_be_passed_over_is_not_claimed(subject: Subject) -> None:
    await subject.store.record(a_notice(1))
    await subject.clock.sleep(0.01)
    await subject.store.record(a_notice(2, account_id=STRANGER))

    theirs = await subject.store.claim(Channel.MAIL, LONG, but_not_of={OWNER})
    nobodys = await subject.store.claim(Channel.MAIL, LONG, but_not_of={OWNER, STRANGER})

    assert theirs is not None
    assert theirs.notice.account_id == STRANGER
    assert nobodys is None
    assert (await claimed(subject)).key == key_of(1)


async def test_a_renewed_lease_begins_anew(subject: Subject) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject, SHORT)

    assert await subject.store.renew(delivery, LONG)

    await subject.clock.sleep(2 * SHORT)
    assert await subject.store.claim(Channel.MAIL, LONG) is None
    assert await subject.store.settle(delivery.delivered(subject.clock.now()))


async def test_a_lease_that_is_anothers_or_over_for_good_is_not_renewed(subject: Subject) -> None:
    for number in (1, 2, 3):
        await subject.store.record(a_notice(number))
        await subject.clock.sleep(0.01)
    taken_over = await claimed(subject, SHORT)
    await subject.clock.sleep(2 * SHORT)
    while (await claimed(subject)).key != taken_over.key:
        pass
    settled, forgotten = [await subject.store.record(a_notice(number)) for number in (2, 3)]
    await subject.store.settle(settled.delivered(subject.clock.now()))
    await subject.store.forget(forgotten.notice.conversion_id)

    renewed = [await subject.store.renew(each, LONG) for each in (taken_over, settled, forgotten)]

    assert renewed == [False, False, False]


@pytest.mark.parametrize("ending", ["delivered", "abandoned"])
async def test_a_settled_delivery_that_is_asked_for_again_is_due_at_once(
    subject: Subject, ending: str
) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)
    moment = subject.clock.now()
    settled = (
        delivery.delivered(moment) if ending == "delivered" else delivery.abandoned(moment, "x")
    )
    await subject.store.settle(settled)
    await subject.clock.sleep(0.01)

    asked = await subject.store.redeliver(OWNER, delivery.notice.conversion_id, BY_MAIL)

    assert asked is not None
    assert asked == replace(
        delivery.asked_again(asked.asked_at), requested_at=delivery.requested_at
    )
    assert asked.asked_at >= moment
    again = await claimed(subject)
    assert (again.attempts, again.tries, again.fence) == (2, 1, delivery.fence + 2)
    assert await subject.store.settle(again.delivered(subject.clock.now()))


async def test_asking_again_for_what_is_pending_ends_its_pause_and_nothing_else(
    subject: Subject,
) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)
    await subject.store.postpone(delivery, "busy", LONG)

    asked = await subject.store.redeliver(OWNER, delivery.notice.conversion_id, BY_MAIL)

    assert asked == replace(delivery, last_error="busy")
    assert (await claimed(subject)).attempts == 2


async def test_asking_again_for_what_is_under_way_makes_no_second_attempt(
    subject: Subject,
) -> None:
    await subject.store.record(a_notice())
    delivery = await claimed(subject)

    await subject.store.redeliver(OWNER, delivery.notice.conversion_id, BY_MAIL)

    assert await subject.store.claim(Channel.MAIL, LONG) is None
    assert await subject.store.settle(delivery.delivered(subject.clock.now()))


async def test_whoever_claimed_before_it_was_asked_for_again_can_change_nothing(
    subject: Subject,
) -> None:
    await subject.store.record(a_notice())
    earlier = await claimed(subject)
    await subject.store.settle(earlier.delivered(subject.clock.now()))
    await subject.store.redeliver(OWNER, earlier.notice.conversion_id, BY_MAIL)

    results = [
        await subject.store.settle(earlier.delivered(subject.clock.now())),
        await subject.store.postpone(earlier, "late", LONG),
        await subject.store.renew(earlier, LONG),
    ]

    assert results == [False, False, False]
    assert await subject.store.claim(Channel.MAIL, LONG) is not None


async def test_only_the_owner_can_ask_again(subject: Subject) -> None:
    await subject.store.record(a_notice())

    strangers = await subject.store.redeliver(STRANGER, a_notice().conversion_id, BY_MAIL)
    nobodys = await subject.store.redeliver(OWNER, a_notice(2).conversion_id, BY_MAIL)

    assert strangers is None
    assert nobodys is None


@pytest.mark.parametrize("state", ["none", "pending", "claimed", "settled", "forgotten"])
async def test_a_forgotten_conversion_stays_forgotten_and_is_confirmed(
    subject: Subject, state: str
) -> None:
    conversion_id = a_notice().conversion_id
    delivery: Delivery | None = None
    if state in {"pending", "claimed", "settled"}:
        delivery = await subject.store.record(a_notice())
    if state in {"claimed", "settled"}:
        delivery = await claimed(subject)
    if state == "settled" and delivery is not None:
        await subject.store.settle(delivery.delivered(subject.clock.now()))
    if state == "forgotten":
        await subject.store.forget(conversion_id)

    await subject.store.forget(conversion_id)

    (entry,) = await subject.outbox.pending(10)
    confirmed = entry.envelope.open(events_pb2.DeletionConfirmed)
    assert (confirmed.conversion_id, confirmed.party) == (conversion_id, events_pb2.PARTY_NOTIFIER)
    assert (entry.topic, entry.envelope.key) == ("tonearm.conversion-events.v1", conversion_id)
    assert await subject.store.claim(Channel.MAIL, LONG) is None
    assert await subject.store.newest(OWNER, "", None, 10) == []
    assert await subject.store.redeliver(OWNER, a_notice().conversion_id, BY_MAIL) is None
    with pytest.raises(Deleted):
        await subject.store.record(a_notice())
    if delivery is not None:
        assert not await subject.store.settle(delivery.delivered(subject.clock.now()))
        assert not await subject.store.postpone(delivery, "late", LONG)


async def test_forgetting_again_confirms_again(subject: Subject) -> None:
    await subject.store.forget(a_notice().conversion_id)
    (first,) = await subject.outbox.pending(10)
    await subject.outbox.mark_published(first)

    await subject.store.forget(a_notice().conversion_id)

    (again,) = await subject.outbox.pending(10)
    assert again.envelope.id == first.envelope.id


async def test_forgetting_and_recording_many_times_at_once_ends_forgotten(
    subject: Subject,
) -> None:
    await asyncio.gather(
        *(subject.store.forget(a_notice().conversion_id) for _ in range(5)),
        *(subject.store.record(a_notice()) for _ in range(5)),
        *(subject.store.forget(a_notice().conversion_id) for _ in range(5)),
        return_exceptions=True,
    )

    with pytest.raises(Deleted):
        await subject.store.record(a_notice())
    assert await subject.store.claim(Channel.MAIL, LONG) is None


async def test_tombstones_are_swept_when_they_are_old_and_were_told_of(subject: Subject) -> None:
    for number in (1, 2):
        await subject.store.forget(a_notice(number).conversion_id)
    await subject.store.record(a_notice(3))
    (told, untold) = await subject.outbox.pending(10)
    await subject.outbox.mark_published(told)
    await subject.clock.sleep(0.01)

    young = await subject.store.sweep(LONG)
    old = await subject.store.sweep(0)

    assert (young, old) == (0, 1)
    with pytest.raises(Deleted):
        await subject.store.record(a_notice(int(untold.envelope.key, 16)))
    assert (await claimed(subject)).key == key_of(3)


async def test_a_tombstone_is_young_again_when_it_is_asked_for_again(subject: Subject) -> None:
    await subject.store.forget(a_notice().conversion_id)
    await subject.clock.sleep(2 * SHORT)
    await subject.store.forget(a_notice().conversion_id)
    (entry,) = await subject.outbox.pending(10)
    await subject.outbox.mark_published(entry)

    assert await subject.store.sweep(SHORT) == 0


async def hook_of(subject: Subject, lease_seconds: float = LONG) -> Delivery:
    delivery = await subject.store.claim(Channel.WEBHOOK, lease_seconds)
    assert delivery is not None
    return delivery


async def recorded(subject: Subject, number: int = 1, webhook_ids: Sequence[str] = HOOKS) -> None:
    await subject.store.branch(await subject.store.record(a_notice(number), webhook_ids))


async def test_a_notice_has_a_delivery_of_its_own_for_each_webhook(subject: Subject) -> None:
    end_time = subject.clock.now()
    notice = replace(a_notice(), failure_reason="NO_AUDIO_TRACK", end_time=end_time)

    mail = await subject.store.record(notice, HOOKS)
    await subject.store.branch(mail)
    hooks = [await hook_of(subject), await hook_of(subject)]

    conversion_id = notice.conversion_id
    assert mail.unrecorded == HOOKS
    assert {each.key for each in hooks} == {
        f"{conversion_id}:webhook:w1",
        f"{conversion_id}:webhook:w2",
    }
    assert {each.notice for each in hooks} == {replace(notice, recipient="")}
    assert await subject.store.claim(Channel.WEBHOOK, LONG) is None
    assert (await claimed(subject)).key == f"{conversion_id}:mail"


async def test_what_must_be_recorded_is_known_from_the_first_write_until_it_is_done(
    subject: Subject,
) -> None:
    first = await subject.store.record(a_notice(), HOOKS)
    repeated = await subject.store.record(a_notice(), ("w3",))
    taken = await claimed(subject, SHORT)

    await subject.store.branch(taken)

    assert {first.unrecorded, repeated.unrecorded, taken.unrecorded} == {HOOKS}
    assert (await subject.store.record(a_notice(), ("w3",))).unrecorded == ()
    assert {(await hook_of(subject)).route.webhook_id for _ in HOOKS} == {"w1", "w2"}
    assert await subject.store.claim(Channel.WEBHOOK, LONG) is None


async def test_recording_for_webhooks_again_adds_what_is_missing_and_changes_nothing(
    subject: Subject,
) -> None:
    first = await subject.store.record(a_notice(), HOOKS)
    await subject.store.branch(replace(first, unrecorded=("w1",)))
    hook = await hook_of(subject)
    await subject.store.settle(hook.delivered(subject.clock.now()))

    await subject.store.branch(first)
    await subject.store.branch(first)

    assert (await hook_of(subject)).route.webhook_id == "w2"
    assert await subject.store.claim(Channel.WEBHOOK, LONG) is None


async def test_recording_for_webhooks_many_times_at_once_makes_one_delivery_each(
    subject: Subject,
) -> None:
    first = await subject.store.record(a_notice(), HOOKS)

    await asyncio.gather(*(subject.store.branch(first) for _ in range(8)))

    claims = [await subject.store.claim(Channel.WEBHOOK, LONG) for _ in range(3)]
    assert [claim is None for claim in claims] == [False, False, True]


async def test_the_gateway_is_told_of_no_webhook(subject: Subject) -> None:
    await recorded(subject)

    for _ in HOOKS:
        hook = await hook_of(subject)
        assert await subject.store.settle(hook.abandoned(subject.clock.now(), "it answered 500"))

    assert await subject.outbox.pending(10) == []


async def test_webhooks_have_leases_pauses_and_fences_like_mail(subject: Subject) -> None:
    await recorded(subject, webhook_ids=("w1",))
    zombie = await hook_of(subject, SHORT)
    assert await subject.store.claim(Channel.WEBHOOK, LONG) is None
    await subject.clock.sleep(2 * SHORT)
    current = await hook_of(subject)

    late = await subject.store.settle(zombie.delivered(subject.clock.now()))
    renewed = await subject.store.renew(current, LONG)
    postponed = await subject.store.postpone(current, "it answered 500", SHORT)
    during = await subject.store.claim(Channel.WEBHOOK, LONG)
    await subject.clock.sleep(2 * SHORT)
    again = await hook_of(subject)

    assert (late, renewed, postponed) == (False, True, True)
    assert during is None
    assert (again.attempts, again.last_error) == (3, "it answered 500")


async def test_an_owner_asks_again_for_one_webhook_only(subject: Subject) -> None:
    await recorded(subject)
    for _ in HOOKS:
        await subject.store.settle((await hook_of(subject)).delivered(subject.clock.now()))
    conversion_id, route = a_notice().conversion_id, Route.to_webhook("w2")

    strangers = await subject.store.redeliver(STRANGER, conversion_id, route)
    unknown = await subject.store.redeliver(OWNER, conversion_id, Route.to_webhook("w3"))
    asked = await subject.store.redeliver(OWNER, conversion_id, route)

    assert (strangers, unknown) == (None, None)
    assert asked is not None
    assert (await hook_of(subject)).key == asked.key
    assert await subject.store.claim(Channel.WEBHOOK, LONG) is None


async def test_the_list_shows_all_channels_in_one_order_page_by_page(subject: Subject) -> None:
    for number in (1, 2, 3):
        await recorded(subject, number)
        await subject.clock.sleep(0.01)

    seen: list[Delivery] = []
    after: Position | None = None
    while page := await subject.store.newest(OWNER, "", after, 2):
        seen += page
        after = Position(page[-1].requested_at, page[-1].key)

    assert [each.notice.conversion_id for each in seen] == [
        a_notice(number).conversion_id for number in (3, 2, 1) for _ in range(3)
    ]
    assert len({each.key for each in seen}) == 9


async def test_what_is_pending_for_a_deleted_webhook_is_given_up_and_nothing_else(
    subject: Subject,
) -> None:
    await recorded(subject, 1)
    await recorded(subject, 2)
    theirs = await subject.store.record(a_notice(3, account_id=STRANGER), ("w1",))
    await subject.store.branch(theirs)
    under_way = await hook_of(subject)
    while under_way.route.webhook_id != "w1" or under_way.notice.account_id != OWNER:
        under_way = await hook_of(subject)

    given_up = await subject.store.give_up(OWNER, "w1", "the webhook was deleted")

    assert given_up == 2
    assert not await subject.store.settle(under_way.delivered(subject.clock.now()))
    shown = await subject.store.newest(OWNER, "", None, 10)
    assert {(each.route.webhook_id, each.state, each.last_error) for each in shown} == {
        ("", State.PENDING, ""),
        ("w1", State.ABANDONED, "the webhook was deleted"),
        ("w2", State.PENDING, ""),
    }
    assert (await subject.store.newest(STRANGER, "", None, 1))[0].state is State.PENDING


@pytest.mark.parametrize("state", ["listed", "recorded", "claimed", "settled"])
async def test_a_forgotten_conversion_is_forgotten_on_all_channels(
    subject: Subject, state: str
) -> None:
    conversion_id = a_notice().conversion_id
    mail = await subject.store.record(a_notice(), ("w1",))
    hook: Delivery | None = None
    if state != "listed":
        await subject.store.branch(mail)
    if state in {"claimed", "settled"}:
        hook = await hook_of(subject)
    if state == "settled" and hook is not None:
        await subject.store.settle(hook.delivered(subject.clock.now()))

    await subject.store.forget(conversion_id)
    # Whoever was about to record comes too late, however late.
    await subject.store.branch(mail)

    assert await subject.store.claim(Channel.WEBHOOK, LONG) is None
    assert await subject.store.newest(OWNER, "", None, 10) == []
    route = Route.to_webhook("w1")
    assert await subject.store.redeliver(OWNER, conversion_id, route) is None
    assert await subject.store.give_up(OWNER, "w1", "x") == 0
    if hook is not None:
        assert not await subject.store.settle(hook.delivered(subject.clock.now()))
        assert not await subject.store.postpone(hook, "late", LONG)


async def test_forgetting_and_recording_for_webhooks_at_once_ends_forgotten(
    subject: Subject,
) -> None:
    mail = await subject.store.record(a_notice(), HOOKS)

    await asyncio.gather(
        *(subject.store.branch(mail) for _ in range(5)),
        *(subject.store.forget(a_notice().conversion_id) for _ in range(5)),
        *(subject.store.branch(mail) for _ in range(5)),
    )

    assert await subject.store.claim(Channel.WEBHOOK, LONG) is None
    assert await subject.store.newest(OWNER, "", None, 10) == []


async def test_what_was_sent_to_webhooks_is_forgotten_down_to_its_ids(mongodb_uri: str) -> None:
    client = connect(mongodb_uri)
    notifier = database(client, f"notifier-{uuid.uuid4().hex}")
    store = MongoDeliveryStore(notifier)

    try:
        await store.branch(await store.record(a_notice(), HOOKS))
        recorded_hook = await notifier["webhook_deliveries"].find_one({})
        await store.forget(a_notice().conversion_id)
        kept = await notifier["webhook_deliveries"].find({}).to_list()
        mail = await notifier["deliveries"].find_one({})
        await notifier["deliveries"].update_many({}, {"$set": {"outbox": []}})
        await store.sweep(0)
        left = [await notifier[name].count_documents({}) for name in COLLECTIONS]
    finally:
        await client.close()

    assert recorded_hook is not None
    assert mail is not None
    assert recorded_hook["recipient"] == ""
    assert [set(each) for each in kept] == 2 * [{"_id", "state", "deleted_at"}]
    assert set(mail) == {"_id", "state", "deleted_at", "outbox"}
    assert left == [0, 0]


async def test_nothing_personal_stays_of_a_forgotten_conversion(mongodb_uri: str) -> None:
    client = connect(mongodb_uri)
    notifier = database(client, f"notifier-{uuid.uuid4().hex}")
    deliveries, store = notifier["deliveries"], MongoDeliveryStore(notifier)

    try:
        await store.record(a_notice())
        await store.forget(a_notice().conversion_id)
        document = await deliveries.find_one({"_id": key_of()})
    finally:
        await client.close()

    assert document is not None
    assert set(document) == {"_id", "state", "deleted_at", "outbox"}
    assert "ada@example.org" not in str(document)
    assert "holiday" not in str(document)


async def test_documents_of_the_first_version_are_claimed_settled_and_asked_for_again(
    mongodb_uri: str,
) -> None:
    client = connect(mongodb_uri)
    notifier = database(client, f"notifier-{uuid.uuid4().hex}")
    deliveries, store = notifier["deliveries"], MongoDeliveryStore(notifier)

    try:
        await store.record(a_notice())
        await deliveries.update_one(
            {"_id": key_of()},
            {
                "$set": {"attempts": 3},
                "$unset": {
                    "fence": 1,
                    "asked_at": 1,
                    "tries_before": 1,
                    "failure_reason": 1,
                    "end_time": 1,
                },
            },
        )
        delivery = await store.claim(Channel.MAIL, LONG)
        assert delivery is not None
        settled = await store.settle(delivery.delivered(delivery.requested_at))
        again = await store.redeliver(OWNER, delivery.notice.conversion_id, BY_MAIL)
    finally:
        await client.close()

    assert (delivery.attempts, delivery.fence, delivery.asked_at) == (4, 4, delivery.requested_at)
    assert delivery.notice == a_notice()
    assert (delivery.route, delivery.unrecorded) == (BY_MAIL, ())
    assert settled
    assert again is not None
    assert (again.tries_before, again.fence) == (4, 5)


async def test_a_store_that_is_away_is_an_outage() -> None:
    client = AsyncMongoClient[Document](
        "mongodb://127.0.0.1:9/?directConnection=true", serverSelectionTimeoutMS=50
    )
    store = MongoDeliveryStore(database(client, "notifier"))

    try:
        with pytest.raises(Outage):
            await store.record(a_notice())
        with pytest.raises(Outage):
            await store.claim(Channel.MAIL, LONG)
        with pytest.raises(Outage):
            await store.renew(Delivery.requested(a_notice(), SystemClock().now()), LONG)
        with pytest.raises(Outage):
            await store.redeliver(OWNER, a_notice().conversion_id, BY_MAIL)
        with pytest.raises(Outage):
            await store.forget(a_notice().conversion_id)
        with pytest.raises(Outage):
            await store.sweep(LONG)
    finally:
        await client.close()


async def test_leases_pass_by_the_servers_clock_and_not_by_ours(mongodb_uri: str) -> None:
    client = connect(mongodb_uri)
    notifier = database(client, f"notifier-{uuid.uuid4().hex}")
    deliveries, store = notifier["deliveries"], MongoDeliveryStore(notifier)

    try:
        delivery = await store.record(a_notice())
        await store.claim(Channel.MAIL, LONG)
        document = await deliveries.find_one({"_id": delivery.key})
    finally:
        await client.close()

    assert document is not None
    lease = document["lease_until"] - document["requested_at"]
    assert timedelta(seconds=LONG) <= lease < timedelta(seconds=LONG + 5)
    assert document["_id"] == f"{delivery.notice.conversion_id}:mail"
    assert wire.EVENTS_TOPIC == "tonearm.conversion-events.v1"
