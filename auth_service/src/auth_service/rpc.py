"""AuthService over gRPC: unwire, use case, wire; and the one table of refusals."""

from __future__ import annotations

from typing import Any

import grpc

from auth_service import wire
from auth_service.domain import (
    EmailTaken,
    InvalidCredentials,
    InvalidEmail,
    InvalidRequestId,
    PasswordTooLong,
    PasswordTooShort,
    RequestIdReused,
)
from auth_service.use_cases import CreateAccount, Keyring, Login
from tonearm.auth.v1 import auth_pb2, auth_pb2_grpc
from tonearm_chassis.status import Answer, StatusTable

NAME = "tonearm.auth.v1.AuthService"

TABLE: StatusTable = {
    InvalidEmail: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_EMAIL"),
    PasswordTooShort: Answer(grpc.StatusCode.INVALID_ARGUMENT, "PASSWORD_TOO_SHORT"),
    PasswordTooLong: Answer(grpc.StatusCode.INVALID_ARGUMENT, "PASSWORD_TOO_LONG"),
    InvalidRequestId: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_ID"),
    RequestIdReused: Answer(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    EmailTaken: Answer(grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN"),
    InvalidCredentials: Answer(grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS"),
}

Context = grpc.aio.ServicerContext[Any, Any]


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """The AuthService."""

    def __init__(self, create_account: CreateAccount, login: Login, keyring: Keyring) -> None:
        """Answer with these use cases."""
        self._create_account = create_account
        self._login = login
        self._keyring = keyring

    async def CreateAccount(
        self, request: auth_pb2.CreateAccountRequest, context: Context
    ) -> auth_pb2.CreateAccountResponse:
        """Open an account; a repeat with the same `request_id` answers the same."""
        account = await self._create_account(request.email, request.password, request.request_id)
        await context.send_initial_metadata((("x-http-code", "201"),))
        return auth_pb2.CreateAccountResponse(account=wire.account_message(account))

    async def Login(
        self, request: auth_pb2.LoginRequest, context: Context
    ) -> auth_pb2.LoginResponse:
        """Exchange credentials for a token."""
        email, password = wire.credentials(request, context.invocation_metadata() or ())
        token = await self._login(email, password)
        # RFC 6749, section 5.1: a token must not be cached.
        await context.send_initial_metadata((("cache-control", "no-store"),))
        return wire.token_message(token)

    async def GetJwks(
        self, _request: auth_pb2.GetJwksRequest, _context: Context
    ) -> auth_pb2.GetJwksResponse:
        """Publish the keys."""
        return wire.keys_message(await self._keyring.published())
