"""The AuthService as its callers see it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable

import grpc
import pytest
from auth_fakes import FakePasswords, FakeSigner, InMemoryAccountStore, InMemorySigningKeyStore

from auth_service import wire
from auth_service.domain import InvalidCredentials
from auth_service.rpc import NAME, TABLE, AuthServicer
from auth_service.use_cases import CreateAccount, Keyring, Login
from tonearm.auth.v1 import auth_pb2, auth_pb2_grpc
from tonearm_chassis.server import Binding
from tonearm_chassis.status import reason_of
from tonearm_chassis.testing.clock import FakeClock
from tonearm_chassis.testing.rpc import serving

PASSWORD = "correct horse"
REQUEST = "6f1f2c1e-7a53-4b3b-9d5e-0c8f3f0e7d11"


@pytest.fixture
def accounts() -> InMemoryAccountStore:
    return InMemoryAccountStore()


@pytest.fixture
async def auth(accounts: InMemoryAccountStore) -> AsyncIterator[auth_pb2_grpc.AuthServiceAsyncStub]:
    clock, passwords, signer = FakeClock(), FakePasswords(), FakeSigner()
    keyring = Keyring(InMemorySigningKeyStore(), signer, clock)
    servicer = AuthServicer(
        CreateAccount(accounts, passwords, clock),
        Login(accounts, passwords, keyring, signer, 600),
        keyring,
    )
    binding = Binding(
        NAME, lambda server: auth_pb2_grpc.add_AuthServiceServicer_to_server(servicer, server)
    )
    async with serving([binding], TABLE) as channel:
        yield auth_pb2_grpc.AuthServiceStub(channel)


def basic(text: bytes) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Basic {base64.b64encode(text).decode()}"),)


async def refusal(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), reason_of(refused.value)


async def test_an_opened_account_is_shown_and_asks_for_http_201(
    auth: auth_pb2_grpc.AuthServiceAsyncStub,
) -> None:
    call = auth.CreateAccount(
        auth_pb2.CreateAccountRequest(email="Ada@example.org", password=PASSWORD)
    )
    answer = await call

    assert answer.account.email == "ada@example.org"
    assert ("x-http-code", "201") in tuple(await call.initial_metadata())


@pytest.mark.parametrize(
    ("email", "password", "code", "reason"),
    [
        ("nobody", PASSWORD, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_EMAIL"),
        ("a@b.org", "short", grpc.StatusCode.INVALID_ARGUMENT, "PASSWORD_TOO_SHORT"),
        ("a@b.org", "x" * 129, grpc.StatusCode.INVALID_ARGUMENT, "PASSWORD_TOO_LONG"),
        ("taken@b.org", PASSWORD, grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN"),
    ],
)
async def test_a_bad_registration_is_refused_with_its_reason(
    auth: auth_pb2_grpc.AuthServiceAsyncStub,
    email: str,
    password: str,
    code: grpc.StatusCode,
    reason: str,
) -> None:
    await auth.CreateAccount(auth_pb2.CreateAccountRequest(email="taken@b.org", password=PASSWORD))

    call = auth.CreateAccount(auth_pb2.CreateAccountRequest(email=email, password=password))

    assert await refusal(call) == (code, reason)


async def test_a_repeat_with_the_same_request_id_is_answered_as_the_first_was(
    auth: auth_pb2_grpc.AuthServiceAsyncStub,
) -> None:
    request = auth_pb2.CreateAccountRequest(
        email="ada@example.org", password=PASSWORD, request_id=REQUEST
    )
    first = await auth.CreateAccount(request)

    call = auth.CreateAccount(request)
    again = await call

    assert again == first
    assert ("x-http-code", "201") in tuple(await call.initial_metadata())


@pytest.mark.parametrize(
    ("email", "password", "request_id", "code", "reason"),
    [
        ("ada@b.org", "x" * 10, REQUEST, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
        ("eve@b.org", PASSWORD, REQUEST, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
        ("eve@b.org", PASSWORD, "7", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_ID"),
        ("ada@b.org", PASSWORD, "", grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN"),
    ],
)
async def test_a_repeat_that_is_none_is_refused_with_its_reason(
    auth: auth_pb2_grpc.AuthServiceAsyncStub,
    email: str,
    password: str,
    request_id: str,
    code: grpc.StatusCode,
    reason: str,
) -> None:
    first = auth_pb2.CreateAccountRequest(email="ada@b.org", password=PASSWORD, request_id=REQUEST)
    await auth.CreateAccount(first)

    call = auth.CreateAccount(
        auth_pb2.CreateAccountRequest(email=email, password=password, request_id=request_id)
    )

    assert await refusal(call) == (code, reason)


@pytest.mark.parametrize("way", ["message", "basic"])
async def test_credentials_are_taken_from_the_message_or_from_http_basic(
    auth: auth_pb2_grpc.AuthServiceAsyncStub, way: str
) -> None:
    password = "pass: with a colon, ü"
    await auth.CreateAccount(auth_pb2.CreateAccountRequest(email="a@b.org", password=password))
    request = auth_pb2.LoginRequest(email="a@b.org", password=password)

    if way == "message":
        answer = await auth.Login(request)
    else:
        answer = await auth.Login(
            auth_pb2.LoginRequest(), metadata=basic(b"a@b.org:" + password.encode())
        )

    assert answer.access_token == "token of a@b.org by key-1"
    assert (answer.token_type, answer.expires_in) == ("Bearer", 600)


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        basic(b"no colon"),
        basic(b"a@b.org:wrong password"),
        (("authorization", "Basic !!!"),),
        (("authorization", "Bearer abc"),),
        (("authorization", "Basic"),),
        basic(b"\xff\xfe:\xff"),
    ],
)
async def test_bad_credentials_are_refused_however_they_come(
    auth: auth_pb2_grpc.AuthServiceAsyncStub, metadata: tuple[tuple[str, str], ...]
) -> None:
    await auth.CreateAccount(auth_pb2.CreateAccountRequest(email="a@b.org", password=PASSWORD))

    call = auth.Login(auth_pb2.LoginRequest(), metadata=metadata)

    assert await refusal(call) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS")


def test_a_header_that_is_not_ascii_holds_no_credentials() -> None:
    # Not by a call: gRPC's own client does not send such a header; others do.
    with pytest.raises(InvalidCredentials):
        wire.credentials(auth_pb2.LoginRequest(), [("authorization", "Basic ü")])


async def test_a_store_that_is_away_is_unavailable(
    auth: auth_pb2_grpc.AuthServiceAsyncStub, accounts: InMemoryAccountStore
) -> None:
    accounts.away = True

    call = auth.Login(auth_pb2.LoginRequest(email="a@b.org", password=PASSWORD))

    assert (await refusal(call))[0] is grpc.StatusCode.UNAVAILABLE


async def test_published_keys_are_a_json_web_key_set(
    auth: auth_pb2_grpc.AuthServiceAsyncStub,
) -> None:
    answer = await auth.GetJwks(auth_pb2.GetJwksRequest())

    (key,) = answer.keys
    assert (key.kty, key.crv, key.use, key.alg) == ("OKP", "Ed25519", "sig", "EdDSA")
    assert base64.urlsafe_b64decode(key.x + "=") == b"p" * 32
