"""Calling off, repeating, deleting: what owners may wish, and what each wish promises."""

from __future__ import annotations

import uuid

import pytest
from gateway_fakes import ADA, AUDIO, EVE, InMemoryConversionStore
from gateway_world import Kept, World, ids_of

from gateway_service import domain
from gateway_service.domain import (
    Awaited,
    CancellationConfirmed,
    Conversion,
    DeletionConfirmed,
    Failed,
    Failure,
    Notified,
    Party,
    Started,
    State,
    Succeeded,
)
from tonearm_chassis.testing.clock import START

REQUEST_ID = "3f0f1f6e-5f0a-4c5e-9d5c-1b2f6a7c8d9e"
STARTED = Started(1, START)
SUCCEEDED = Succeeded(1, AUDIO, START)
FAILED = Failed(1, Failure("NO_AUDIO", "The video has no sound."), START)
NOBODY = "00000000000000000000000000000000"


class RacingStore(InMemoryConversionStore):
    """A store in which a worker is always a little faster the first time."""

    def __init__(self, news: domain.Change) -> None:
        """Let `news` come first."""
        super().__init__()
        self._news: domain.Change | None = news

    async def replace(self, old: Conversion, new: Conversion) -> bool:
        if self._news is not None:
            rival = old.after(self._news, START)
            self._news = None
            assert rival is not None
            await super().replace(old, rival)
        return await super().replace(old, new)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("news", [[], [STARTED]])
async def test_a_conversion_is_called_off_and_its_converter_told(
    world: World, news: list[domain.Change]
) -> None:
    own = await world.told(await world.uploaded(), *news)

    cancelled = await world.cancel(*ids_of(own))

    assert cancelled == world.conversions.rows[own.id]
    assert (cancelled.state, cancelled.end_time) == (State.CANCELLED, START)
    assert world.conversions.asked(Awaited.CANCELLATION) == 1
    assert world.relay.count == 2


async def test_calling_off_again_answers_the_same_and_promises_nothing_more(world: World) -> None:
    own = await world.uploaded()

    first = await world.cancel(*ids_of(own))
    again = await world.cancel(*ids_of(own))

    assert again == first
    assert world.conversions.asked(Awaited.CANCELLATION) == 1


@pytest.mark.parametrize("end", [SUCCEEDED, FAILED])
async def test_what_has_ended_is_not_called_off(world: World, end: domain.Change) -> None:
    own = await world.told(await world.uploaded(), end)

    with pytest.raises(domain.ConversionOver):
        await world.cancel(*ids_of(own))

    assert world.conversions.rows[own.id] == own


@pytest.mark.parametrize("news", [STARTED, SUCCEEDED, FAILED])
async def test_news_of_what_was_called_off_changes_nothing(
    world: World, news: domain.Change
) -> None:
    own = await world.uploaded()
    cancelled = await world.cancel(*ids_of(own))

    assert await world.told(own, news) == cancelled


async def test_of_an_end_and_a_cancellation_the_first_wins() -> None:
    world = World(Kept(RacingStore(SUCCEEDED)))
    own = await world.uploaded()

    with pytest.raises(domain.ConversionOver):
        await world.cancel(*ids_of(own))

    assert world.conversions.rows[own.id].state is State.SUCCEEDED
    assert world.conversions.asked(Awaited.CANCELLATION) == 0


async def test_a_cancellation_that_was_overtaken_by_progress_is_tried_again() -> None:
    world = World(Kept(RacingStore(STARTED)))
    own = await world.uploaded()

    assert (await world.cancel(*ids_of(own))).state is State.CANCELLED


async def test_a_cancellation_is_promised_until_it_is_confirmed(world: World) -> None:
    own = await world.uploaded()
    await world.cancel(*ids_of(own))

    world.kept.clock.advance(11)
    await world.reminder.sweep()
    await world.told(own, CancellationConfirmed())
    world.kept.clock.advance(10_000)
    await world.reminder.sweep()

    assert world.conversions.asked(Awaited.CANCELLATION) == 2


async def test_nobody_is_told_of_a_conversion_that_was_called_off(world: World) -> None:
    own = await world.uploaded()

    await world.cancel(*ids_of(own))
    await world.told(own, CancellationConfirmed())

    assert world.conversions.asked(Awaited.NOTICE) == 0


@pytest.mark.parametrize("end", [FAILED, None])
async def test_a_retry_is_another_conversion_of_the_same_video(
    world: World, end: domain.Change | None
) -> None:
    own = await world.uploaded()
    old = await (world.told(own, end) if end else world.cancel(*ids_of(own)))

    new = await world.retry(ADA, own.id, "")

    assert (new.state, new.retry_of, new.video) == (State.QUEUED, own.id, own.video)
    assert world.conversions.promised[-1] == (new.id, Awaited.OUTCOME)
    assert world.conversions.rows[own.id] == old
    assert set(world.ledger.entries[own.video.id].users) == {own.id, new.id}


@pytest.mark.parametrize("news", [[], [STARTED], [SUCCEEDED]])
async def test_only_what_failed_or_was_called_off_is_retried(
    world: World, news: list[domain.Change]
) -> None:
    own = await world.told(await world.uploaded(), *news)

    with pytest.raises(domain.ConversionNotRetryable):
        await world.retry(ADA, own.id, "")

    assert list(world.conversions.rows) == [own.id]


async def test_a_retry_with_the_same_request_id_makes_one_conversion(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)

    first = await world.retry(ADA, own.id, REQUEST_ID)
    again = await world.retry(ADA, own.id, REQUEST_ID.upper())

    assert again == first
    assert len(world.conversions.rows) == 2


async def test_a_retry_is_repeated_though_its_video_has_expired_since(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)
    first = await world.told(await world.retry(ADA, own.id, REQUEST_ID), FAILED)
    await world.swept(days=2)

    assert await world.retry(ADA, own.id, REQUEST_ID) == world.conversions.rows[first.id]


async def test_two_retries_without_a_request_id_are_two(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)

    first = await world.retry(ADA, own.id, "")
    second = await world.retry(ADA, own.id, "")

    assert first.id != second.id


async def test_a_request_id_stands_for_one_request_whatever_its_kind(world: World) -> None:
    uploaded = await world.told(await world.uploaded(REQUEST_ID), FAILED)
    other = await world.told(await world.uploaded(), FAILED)
    retry_id = str(uuid.uuid4())
    await world.retry(ADA, uploaded.id, retry_id)

    with pytest.raises(domain.RequestIdReused):
        await world.retry(ADA, uploaded.id, REQUEST_ID)
    with pytest.raises(domain.RequestIdReused):
        await world.retry(ADA, other.id, retry_id)
    with pytest.raises(domain.RequestIdReused):
        await world.uploaded(retry_id)


async def test_of_two_equal_retries_at_once_one_takes_the_video(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)
    first = await world.retry(ADA, own.id, REQUEST_ID)
    # As if the other one had looked for the request id a moment before.
    late = World(Kept(ForgetfulStore(world.conversions), world.ledger, world.videos))

    again = await late.retry(ADA, own.id, REQUEST_ID)

    assert again == first
    assert set(world.ledger.entries[own.video.id].users) == {own.id, first.id}


class ForgetfulStore(InMemoryConversionStore):
    """The same rows, but no request is found before it is inserted."""

    def __init__(self, original: InMemoryConversionStore) -> None:
        """Share the rows of `original`."""
        super().__init__()
        self.rows = original.rows

    async def find_request(
        self, account_id: domain.AccountId, request_id: str
    ) -> Conversion | None:
        return await super().find_request(account_id, f"{request_id} looked for too early")


async def test_a_video_that_is_gone_is_not_converted_again(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)
    await world.swept(days=2)

    with pytest.raises(domain.VideoExpired):
        await world.retry(ADA, own.id, "")

    assert list(world.conversions.rows) == [own.id]


async def test_a_bad_request_id_is_refused_first(world: World) -> None:
    with pytest.raises(domain.InvalidRequestId):
        await world.retry(ADA, domain.ConversionId(NOBODY), "no uuid")


@pytest.mark.parametrize("news", [[], [STARTED], [SUCCEEDED, Notified()], [FAILED]])
async def test_a_deleted_conversion_leaves_a_tombstone_that_names_nobody(
    world: World, news: list[domain.Change]
) -> None:
    own = await world.told(await world.uploaded(REQUEST_ID), *news)

    await world.delete(*ids_of(own))

    tombstone = world.conversions.rows[own.id]
    assert tombstone.is_final
    assert (tombstone.owner.email, tombstone.video.filename, tombstone.video.sha256) == ("", "", "")
    assert (tombstone.audio, tombstone.failure, tombstone.start_time) == (None, None, None)
    assert (tombstone.request_id, tombstone.fingerprint) == (REQUEST_ID, own.fingerprint)
    assert {each for _, each in world.conversions.promised[-2:]} == {
        Awaited.DELETION_BY_CONVERTER,
        Awaited.DELETION_BY_NOTIFIER,
    }


async def test_from_then_on_it_is_unknown(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)

    await world.delete(*ids_of(own))

    with pytest.raises(domain.UnknownConversion):
        await world.get(*ids_of(own))
    with pytest.raises(domain.UnknownConversion):
        await world.cancel(*ids_of(own))
    with pytest.raises(domain.UnknownConversion):
        await world.retry(ADA, own.id, "")
    with pytest.raises(domain.UnknownConversion):
        await world.download(*ids_of(own))
    assert await world.conversions.page(ADA.account_id, 10, None) == []


async def test_deleting_again_changes_nothing(world: World) -> None:
    own = await world.uploaded()
    await world.delete(*ids_of(own))
    tombstone = world.conversions.rows[own.id]

    await world.delete(*ids_of(own))

    assert world.conversions.rows[own.id] == tombstone


async def test_nobody_else_can_wish_anything(world: World) -> None:
    own = await world.told(await world.uploaded(), FAILED)

    with pytest.raises(domain.UnknownConversion):
        await world.delete(EVE.account_id, own.id)
    with pytest.raises(domain.UnknownConversion):
        await world.cancel(EVE.account_id, own.id)
    with pytest.raises(domain.UnknownConversion):
        await world.retry(EVE, own.id, "")
    assert world.conversions.rows[own.id] == own


async def test_news_of_a_tombstone_changes_nothing(world: World) -> None:
    own = await world.uploaded()
    await world.delete(*ids_of(own))
    tombstone = world.conversions.rows[own.id]

    told = await world.told(own, STARTED, SUCCEEDED, FAILED, Notified(), CancellationConfirmed())

    assert told == tombstone


@pytest.mark.parametrize("last", list(Party))
async def test_a_deletion_is_promised_until_both_have_confirmed(world: World, last: Party) -> None:
    own = await world.uploaded()
    await world.delete(*ids_of(own))
    (first,) = set(Party) - {last}

    world.kept.clock.advance(11)
    await world.reminder.sweep()
    await world.told(own, DeletionConfirmed(first), DeletionConfirmed(first))
    world.kept.clock.advance(11)
    await world.reminder.sweep()
    await world.told(own, DeletionConfirmed(last))
    world.kept.clock.advance(10_000)
    await world.reminder.sweep()

    asked = {
        Party.CONVERTER: world.conversions.asked(Awaited.DELETION_BY_CONVERTER),
        Party.NOTIFIER: world.conversions.asked(Awaited.DELETION_BY_NOTIFIER),
    }
    assert asked == {first: 2, last: 3}


async def test_a_confirmed_cancellation_confirms_no_deletion(world: World) -> None:
    own = await world.uploaded()
    await world.cancel(*ids_of(own))
    await world.told(own, CancellationConfirmed())

    await world.delete(*ids_of(own))
    await world.told(own, CancellationConfirmed())

    assert Awaited.DELETION_BY_CONVERTER in world.conversions.rows[own.id].awaited


async def test_a_deletion_that_was_never_wished_is_not_confirmed(world: World) -> None:
    own = await world.uploaded()

    assert await world.told(own, DeletionConfirmed(Party.CONVERTER)) == own
    assert await world.told(own, CancellationConfirmed()) == own


async def test_the_request_id_of_a_deleted_conversion_is_remembered(world: World) -> None:
    own = await world.uploaded(REQUEST_ID)
    await world.delete(*ids_of(own))

    with pytest.raises(domain.ConversionDeleted):
        await world.uploaded(REQUEST_ID)

    assert list(world.conversions.rows) == [own.id]
