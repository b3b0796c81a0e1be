"""Make and sign access tokens: JWTs of RFC 9068 with Ed25519 (RFC 8037)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auth_service.domain import Account, KeyId, SigningKey
from tonearm_chassis.clock import Clock
from tonearm_chassis.tokens import ALGORITHM, TOKEN_TYPE


class JWTSigner:
    """A `TokenSigner` over PyJWT."""

    def __init__(self, *, issuer: str, audience: str, seconds: int, clock: Clock) -> None:
        """Sign tokens of `issuer` for `audience` that are good for `seconds`."""
        self._issuer = issuer
        self._audience = audience
        self._seconds = seconds
        self._clock = clock

    def new_key(self) -> SigningKey:
        """Make an Ed25519 key pair."""
        private = Ed25519PrivateKey.generate()
        return SigningKey(
            id=KeyId(uuid.uuid4().hex),
            public=private.public_key().public_bytes_raw(),
            private=private.private_bytes_raw(),
            create_time=self._clock.now(),
        )

    def sign(self, key: SigningKey, account: Account) -> str:
        """Sign a token that names the account and its address."""
        now = self._clock.now()
        return jwt.encode(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": account.id,
                "email": account.email,
                "iat": now,
                "exp": now + timedelta(seconds=self._seconds),
                "jti": uuid.uuid4().hex,
            },
            Ed25519PrivateKey.from_private_bytes(key.private),
            algorithm=ALGORITHM,
            headers={"kid": key.id, "typ": TOKEN_TYPE},
        )
