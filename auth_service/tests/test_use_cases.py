"""Opening accounts, logging in, publishing keys."""

from __future__ import annotations

import pytest
from auth_fakes import FakePasswords, FakeSigner, InMemoryAccountStore, InMemorySigningKeyStore

from auth_service.domain import EmailTaken, InvalidCredentials, PasswordTooShort
from auth_service.use_cases import KEYS_FRESH_SECONDS, CreateAccount, Keyring, Login
from tonearm_chassis.testing.clock import FakeClock

PASSWORD = "correct horse"


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
