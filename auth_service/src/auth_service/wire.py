"""Between protobuf messages and the domain; decides nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from auth_service.domain import AccessToken, Account, InvalidCredentials, SigningKey
from tonearm.auth.v1 import auth_pb2


def account_message(account: Account) -> auth_pb2.Account:
    """Write an account."""
    return auth_pb2.Account(
        id=account.id, email=account.email, create_time=timestamp(account.create_time)
    )


def token_message(token: AccessToken) -> auth_pb2.LoginResponse:
    """Write an access token."""
    return auth_pb2.LoginResponse(
        access_token=token.text,
        token_type="Bearer",  # noqa: S106 - the scheme of RFC 6750, no secret
        expires_in=token.seconds,
    )


def keys_message(keys: Sequence[SigningKey]) -> auth_pb2.GetJwksResponse:
    """Write the public halves of keys as a JSON Web Key Set (RFC 8037)."""
    return auth_pb2.GetJwksResponse(
        keys=[
            auth_pb2.JsonWebKey(
                kty="OKP",
                crv="Ed25519",
                x=base64.urlsafe_b64encode(key.public).rstrip(b"=").decode(),
                kid=key.id,
                use="sig",
                alg="EdDSA",
            )
            for key in keys
        ]
    )


def credentials(
    request: auth_pb2.LoginRequest, metadata: Iterable[tuple[str, str | bytes]]
) -> tuple[str, str]:
    """Read address and password from the message or else from HTTP Basic (RFC 7617).

    Raises `InvalidCredentials` if they are in neither.
    """
    if request.email or request.password:
        return request.email, request.password
    for key, value in metadata:
        if key == "authorization":
            return _basic(str(value))
    message = "give e-mail address and password, as JSON or as HTTP Basic credentials"
    raise InvalidCredentials(message)


def timestamp(moment: datetime) -> Timestamp:
    """Write a moment."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def _basic(value: str) -> tuple[str, str]:
    scheme, _, encoded = value.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # no Base64, or no UTF-8 in it
        text = ""
    email, colon, password = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        message = "the authorization header holds no HTTP Basic credentials"
        raise InvalidCredentials(message)
    return email, password
