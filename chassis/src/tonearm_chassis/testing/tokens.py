"""An issuer of tokens for tests, honest or not as the test likes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from tonearm_chassis.clock import SystemClock
from tonearm_chassis.tokens import ALGORITHM, TOKEN_TYPE, TokenVerifier

ISSUER = "https://auth.test"
AUDIENCE = "tonearm-test"


class TokenIssuer:
    """Signs tokens and, as a `KeySource`, publishes the key that verifies them."""

    def __init__(self, kid: str = "test-key") -> None:
        """Make a key of its own."""
        self._key = Ed25519PrivateKey.generate()
        self._kid = kid

    async def fetch(self) -> Sequence[Mapping[str, str]]:
        """Publish the key as a JSON Web Key."""
        return [self.jwk()]

    def jwk(self) -> dict[str, str]:
        """Give the public key as a JSON Web Key."""
        public: dict[str, str] = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        return {
            "kty": public["kty"],
            "crv": public["crv"],
            "x": public["x"],
            "kid": self._kid,
            "use": "sig",
            "alg": ALGORITHM,
        }

    def token(self, account_id: str, email: str = "", **changes: object) -> str:
        """Sign a token for an account; `changes` replace claims."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account_id,
            "email": email or f"{account_id}@example.org",
            "iat": now,
            "exp": now + 600,
            "jti": "test",
            **changes,
        }
        return jwt.encode(
            claims, self._key, algorithm=ALGORITHM, headers={"kid": self._kid, "typ": TOKEN_TYPE}
        )

    def metadata(
        self, account_id: str, email: str = "", **changes: object
    ) -> tuple[tuple[str, str], ...]:
        """Give call metadata that carries a token for an account."""
        return (("authorization", f"Bearer {self.token(account_id, email, **changes)}"),)

    def verifier(self) -> TokenVerifier:
        """Make a verifier that trusts this issuer."""
        return TokenVerifier(self, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock())
