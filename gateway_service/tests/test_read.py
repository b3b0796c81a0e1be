"""Looking at one's own conversions, and at nobody else's."""

from __future__ import annotations

import asyncio

import pytest
from gateway_fakes import (
    ADA,
    AUDIO,
    EVE,
    InMemoryConversionStore,
    new_conversion,
)
from gateway_stores import InMemoryAudioStore

from gateway_service.domain import (
    AudioNotReady,
    Conversion,
    ConversionId,
    InvalidPageSize,
    Progressed,
    Started,
    State,
    Succeeded,
    UnknownConversion,
)
from gateway_service.use_cases.read import (
    DownloadAudio,
    FindAudio,
    GetConversion,
    ListConversions,
    WatchConversion,
)
from tonearm_chassis.errors import Outage
from tonearm_chassis.testing.clock import START, FakeClock

NEWS = (Started(1, START), Progressed(1, 0.25), Progressed(1, 0.75), Succeeded(1, AUDIO, START))


@pytest.fixture
def conversions() -> InMemoryConversionStore:
    return InMemoryConversionStore()


@pytest.fixture
def get(conversions: InMemoryConversionStore) -> GetConversion:
    return GetConversion(conversions)


async def test_ones_own_conversion_is_found(
    conversions: InMemoryConversionStore, get: GetConversion
) -> None:
    own = await conversions.add(new_conversion())

    assert await get(ADA.account_id, own.id) == own


async def test_somebody_elses_is_as_unknown_as_none(
    conversions: InMemoryConversionStore, get: GetConversion
) -> None:
    own = await conversions.add(new_conversion())

    with pytest.raises(UnknownConversion) as elses:
        await get(EVE.account_id, own.id)
    with pytest.raises(UnknownConversion) as none:
        await get(EVE.account_id, ConversionId("none"))

    assert str(elses.value) == str(none.value)


async def test_pages_follow_each_other_without_gap_or_repeat(
    conversions: InMemoryConversionStore,
) -> None:
    made = [await conversions.add(new_conversion(age=age // 2)) for age in range(7)]
    await conversions.add(new_conversion(EVE))
    list_conversions = ListConversions(conversions)
    seen: list[Conversion] = []

    page, start = await list_conversions(ADA.account_id, 3, None)
    seen += page
    while start is not None:
        page, start = await list_conversions(ADA.account_id, 3, start)
        seen += page

    assert seen == sorted(made, key=lambda each: (each.create_time, each.id), reverse=True)


@pytest.mark.parametrize(("asked", "given"), [(0, 20), (5, 5), (1000, 100)])
async def test_a_page_has_a_default_and_a_largest_size(
    conversions: InMemoryConversionStore, asked: int, given: int
) -> None:
    for _ in range(101):
        await conversions.add(new_conversion())

    page, start = await ListConversions(conversions)(ADA.account_id, asked, None)

    assert len(page) == given
    assert start is not None


async def test_a_negative_page_size_is_refused(conversions: InMemoryConversionStore) -> None:
    with pytest.raises(InvalidPageSize):
        await ListConversions(conversions)(ADA.account_id, -1, None)


async def test_a_watcher_sees_the_present_then_every_change_then_the_end(
    conversions: InMemoryConversionStore, get: GetConversion
) -> None:
    own = await conversions.add(new_conversion())
    news = iter(NEWS)
    seen = []

    async for conversion in WatchConversion(get, FakeClock())(ADA.account_id, own.id):
        seen.append((conversion.state, conversion.progress))
        change = next(news, None)
        if change is not None:
            current = conversions.rows[own.id]
            changed = current.after(change, START)
            assert changed is not None
            await conversions.replace(current, changed)

    assert seen == [
        (State.QUEUED, 0.0),
        (State.RUNNING, 0.0),
        (State.RUNNING, 0.25),
        (State.RUNNING, 0.75),
        (State.SUCCEEDED, 1.0),
    ]


async def test_watching_somebody_elses_is_refused(
    conversions: InMemoryConversionStore, get: GetConversion
) -> None:
    own = await conversions.add(new_conversion())

    with pytest.raises(UnknownConversion):
        await anext(WatchConversion(get, FakeClock())(EVE.account_id, own.id))


async def test_watchers_are_let_go_when_the_service_stops(
    conversions: InMemoryConversionStore, get: GetConversion
) -> None:
    own = await conversions.add(new_conversion())
    watch = WatchConversion(get, FakeClock())
    watching = watch(ADA.account_id, own.id)
    await anext(watching)
    stopping = asyncio.Event()
    stopping.set()

    await watch.run(stopping)

    with pytest.raises(Outage):
        await anext(watching)


async def test_the_audio_goes_to_its_owner_only(
    conversions: InMemoryConversionStore, get: GetConversion
) -> None:
    own = await conversions.add(new_conversion())
    ended = own.after(NEWS[-1], START)
    assert ended is not None
    await conversions.replace(own, ended)
    download = DownloadAudio(FindAudio(get, FakeClock()), InMemoryAudioStore())

    result = await download(ADA.account_id, own.id)

    assert b"".join([piece async for piece in result.pieces]) == b"hello sound"
    assert result.filename == "holiday.mp3"
    with pytest.raises(UnknownConversion):
        await download(EVE.account_id, own.id)


async def test_audio_that_is_not_there_yet_is_refused(
    conversions: InMemoryConversionStore, get: GetConversion
) -> None:
    own = await conversions.add(new_conversion())

    with pytest.raises(AudioNotReady):
        await DownloadAudio(FindAudio(get, FakeClock()), InMemoryAudioStore())(
            ADA.account_id, own.id
        )
