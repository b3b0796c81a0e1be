"""Ask the auth service for the keys that verify tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc

from tonearm.auth.v1 import auth_pb2, auth_pb2_grpc
from tonearm_chassis.errors import Outage

TIMEOUT_SECONDS = 3.0


class AuthKeys:
    """A `KeySource` over tonearm.auth.v1.AuthService."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Ask over `channel`."""
        self._auth = auth_pb2_grpc.AuthServiceStub(channel)

    async def fetch(self) -> Sequence[Mapping[str, str]]:
        """Fetch the published keys. Raises `Outage`."""
        try:
            answer = await self._auth.GetJwks(auth_pb2.GetJwksRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise Outage(f"auth: {error.code().name}") from error
        return [
            {
                "kty": key.kty,
                "crv": key.crv,
                "x": key.x,
                "kid": key.kid,
                "use": key.use,
                "alg": key.alg,
            }
            for key in answer.keys
        ]
