"""The keys of tokens, fetched from a real AuthService stub over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from notifier_service.adapters.auth_keys import AuthKeys
from tonearm.auth.v1 import auth_pb2, auth_pb2_grpc
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.errors import Outage
from tonearm_chassis.server import Binding
from tonearm_chassis.testing.rpc import serving
from tonearm_chassis.testing.tokens import AUDIENCE, ISSUER, TokenIssuer
from tonearm_chassis.tokens import TokenVerifier


class FakeAuth(auth_pb2_grpc.AuthServiceServicer):
    """An AuthService that publishes one key."""

    def __init__(self, key: Mapping[str, str]) -> None:
        self._key = key

    CreateAccount = None  # type: ignore[assignment]  # nobody calls these two
    Login = None  # type: ignore[assignment]  # see above

    async def GetJwks(  # noqa: N802 - gRPC names it so
        self, _request: auth_pb2.GetJwksRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> auth_pb2.GetJwksResponse:
        return auth_pb2.GetJwksResponse(keys=[auth_pb2.JsonWebKey(**self._key)])


async def test_a_token_is_verified_with_the_keys_that_auth_publishes() -> None:
    issuer = TokenIssuer()
    binding = Binding(
        "tonearm.auth.v1.AuthService",
        lambda server: auth_pb2_grpc.add_AuthServiceServicer_to_server(
            FakeAuth(issuer.jwk()), server
        ),
    )

    async with serving([binding], {}) as channel:
        keys = AuthKeys(channel)
        verifier = TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock())
        caller = await verifier.verify(issuer.token("ada"))
        published = await keys.fetch()

    assert caller.account_id == "ada"
    assert published == [issuer.jwk()]


async def test_auth_being_away_is_an_outage() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:9") as channel:
        with pytest.raises(Outage, match="UNAVAILABLE"):
            await AuthKeys(channel).fetch()
