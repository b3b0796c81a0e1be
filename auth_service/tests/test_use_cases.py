"""Opening accounts, logging in, publishing keys."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import pytest
from auth_fakes import FakePasswords, FakeSigner, InMemoryAccountStore, InMemorySigningKeyStore

from auth_service.domain import (
    Account,
    EmailTaken,
    InvalidCredentials,
    InvalidRequestId,
    PasswordHash,
    PasswordTooShort,
    RequestIdReused,
)
from auth_service.use_cases import (
    KEYS_FRESH_SECONDS,
    CreateAccount,
    Keyring,
    Login,
    SweepRequests,
)
from auth_service.worker import RequestSweeper
from tonearm_chassis.testing.clock import FakeClock

PASSWORD = "correct horse"
REQUEST = "6f1f2c1e-7a53-4b3b-9d5e-0c8f3f0e7d11"
REQUEST_TOO_LONG = REQUEST + "0"
HOUR = 3600.0


class World:
    """The use cases over fakes."""

    def __init__(self) -> None:
        """Put them together."""
        self.clock = FakeClock()
        self.accounts = InMemoryAccountStore()
        self.passwords = FakePasswords()
        self.keys = InMemorySigningKeyStore()
        self.signer = FakeSigner()
        self.keyring = Keyring(self.keys, self.signer, self.clock)
        self.create = CreateAccount(self.accounts, self.passwords, self.clock)
        self.login = Login(self.accounts, self.passwords, self.keyring, self.signer, 600)


@pytest.fixture
def world() -> World:
    return World()


async def test_an_account_is_stored_with_a_hash_of_its_password_only(world: World) -> None:
    account = await world.create("Ada@example.org", PASSWORD)

    stored, password_hash = world.accounts.rows["ada@example.org"]
    assert stored == account
    assert PASSWORD not in password_hash


async def test_two_accounts_have_different_ids(world: World) -> None:
    one = await world.create("one@example.org", PASSWORD)
    two = await world.create("two@example.org", PASSWORD)

    assert one.id != two.id


async def test_an_address_in_other_letters_is_taken_all_the_same(world: World) -> None:
    await world.create("ada@example.org", PASSWORD)

    with pytest.raises(EmailTaken):
        await world.create("ADA@example.org", PASSWORD)


async def test_a_bad_password_stores_nothing(world: World) -> None:
    with pytest.raises(PasswordTooShort):
        await world.create("ada@example.org", "short")

    assert not world.accounts.rows


async def test_a_repeat_of_a_request_gives_the_same_account(world: World) -> None:
    first = await world.create("ada@example.org", PASSWORD, REQUEST)
    world.clock.advance(HOUR)

    again = await world.create(" ADA@example.org", PASSWORD, REQUEST.upper())

    assert again == first
    assert len(world.accounts.rows) == 1


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.org", "wrong horse"),
        ("eve@example.org", PASSWORD),
        ("eve@example.org", "wrong horse"),
    ],
)
async def test_whoever_knows_a_request_but_not_what_it_was_for_learns_only_that_it_was(
    world: World, email: str, password: str
) -> None:
    await world.create("ada@example.org", PASSWORD, REQUEST)
    hashed = world.passwords.hashed

    with pytest.raises(RequestIdReused) as refused:
        await world.create(email, password, REQUEST)

    assert str(refused.value) == (
        "this request_id was used for another request; choose another one"
    )
    # Each costs one hash, like the opening of an account, or the time would tell them apart.
    assert (world.passwords.compared, world.passwords.hashed) == (1, hashed)
    assert list(world.accounts.rows) == ["ada@example.org"]


async def test_a_new_account_costs_one_hash_and_so_does_its_repeat(world: World) -> None:
    await world.create("ada@example.org", PASSWORD, REQUEST)
    first = (world.passwords.hashed, world.passwords.compared)

    await world.create("ada@example.org", PASSWORD, REQUEST)

    assert first == (1, 0)
    assert (world.passwords.hashed, world.passwords.compared) == (1, 1)


async def test_a_repeat_that_overtakes_what_it_repeats_gives_the_same_account(
    world: World,
) -> None:
    opened: list[Account] = []

    async def overtake(password: str) -> PasswordHash:
        world.passwords.hash = plain_hash  # type: ignore[method-assign]  # once
        opened.append(await world.create("ada@example.org", password, REQUEST))
        return await plain_hash(password)

    plain_hash = world.passwords.hash
    world.passwords.hash = overtake  # type: ignore[method-assign]  # between look and write

    assert [await world.create("ada@example.org", PASSWORD, REQUEST)] == opened


async def test_a_taken_address_is_taken_for_another_request_too(world: World) -> None:
    await world.create("ada@example.org", PASSWORD, REQUEST)

    with pytest.raises(EmailTaken):
        await world.create("ada@example.org", PASSWORD, str(uuid.uuid4()))
    with pytest.raises(EmailTaken):
        await world.create("ada@example.org", PASSWORD)


async def test_a_refused_request_may_be_put_right_and_repeated(world: World) -> None:
    await world.create("ada@example.org", PASSWORD)
    with pytest.raises(EmailTaken):
        await world.create("ada@example.org", PASSWORD, REQUEST)

    eve = await world.create("eve@example.org", PASSWORD, REQUEST)

    assert eve.email == "eve@example.org"


@pytest.mark.parametrize("text", ["1", "not-a-uuid", REQUEST_TOO_LONG, "ü", "' OR 1=1 --"])
async def test_what_is_no_uuid_is_no_request_id(world: World, text: str) -> None:
    with pytest.raises(InvalidRequestId):
        await world.create("ada@example.org", PASSWORD, text)

    assert not world.accounts.rows


async def test_requests_are_remembered_for_a_day(world: World) -> None:
    await world.create("ada@example.org", PASSWORD, REQUEST)
    sweep = SweepRequests(world.accounts, world.clock, keep=timedelta(days=1))

    world.clock.advance(24 * HOUR)
    await sweep()
    at_the_end_of_the_day = len(world.accounts.requests)
    world.clock.advance(1)
    await sweep()

    assert at_the_end_of_the_day == 1
    assert not world.accounts.requests
    with pytest.raises(EmailTaken):
        await world.create("ada@example.org", PASSWORD, REQUEST)


async def test_the_sweeper_sweeps_again_and_again_also_after_an_outage(world: World) -> None:
    await world.create("ada@example.org", PASSWORD, REQUEST)
    world.clock.advance(1)
    world.accounts.away = True
    sweep = SweepRequests(world.accounts, world.clock, keep=timedelta(0))
    stopping = asyncio.Event()
    sweeper = asyncio.create_task(RequestSweeper(sweep, every_seconds=0.001).run(stopping))

    await asyncio.sleep(0.02)  # it looks in real time, and in vain
    world.accounts.away = False
    async with asyncio.timeout(5):
        while world.accounts.requests:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)  # the sweeper runs on the real clock
        stopping.set()
        await sweeper


async def test_the_right_password_gives_a_token_for_that_account(world: World) -> None:
    await world.create("ada@example.org", PASSWORD)

    token = await world.login(" ADA@example.org", PASSWORD)

    assert token.text == "token of ada@example.org by key-1"
    assert token.seconds == 600


async def test_a_wrong_password_an_unknown_address_and_no_address_are_refused_alike(
    world: World,
) -> None:
    await world.create("ada@example.org", PASSWORD)
    messages = set()

    for email, password in [
        ("ada@example.org", "wrong horse"),
        ("eve@example.org", PASSWORD),
        ("not an address", PASSWORD),
    ]:
        with pytest.raises(InvalidCredentials) as refused:
            await world.login(email, password)
        messages.add(str(refused.value))

    assert len(messages) == 1
    # An unknown address costs a comparison too, or its speed would tell it apart.
    assert world.passwords.compared == 3


async def test_an_outdated_hash_is_replaced_at_the_next_login(world: World) -> None:
    await world.create("ada@example.org", PASSWORD)
    world.passwords.version = "v2"

    await world.login("ada@example.org", PASSWORD)

    assert world.accounts.rows["ada@example.org"][1].startswith("v2:")


async def test_the_first_key_is_made_once(world: World) -> None:
    await world.keyring.published()
    await world.keyring.published()

    assert world.signer.made == 1


async def test_an_instance_that_lost_the_race_signs_with_the_winners_key(world: World) -> None:
    rival = Keyring(world.keys, FakeSigner(), world.clock)
    await rival.published()

    current = await world.keyring.current()

    assert world.keys.keys == [current]


async def test_a_key_that_another_instance_added_is_used_a_minute_later(world: World) -> None:
    await world.keyring.current()
    newer = world.signer.new_key()
    world.keys.keys.insert(0, newer)

    assert await world.keyring.current() != newer
    world.clock.advance(KEYS_FRESH_SECONDS + 1)

    assert await world.keyring.current() == newer
