"""What the servicers read off a call, and send ahead of an answer."""

from __future__ import annotations

from typing import Any

import grpc

from gateway_service.domain import AccountId, Conversion, Owner
from tonearm_chassis.tokens import TokenVerifier

Context = grpc.aio.ServicerContext[Any, Any]


async def account_of(tokens: TokenVerifier, context: Context) -> AccountId:
    """Tell who calls."""
    return (await owner_of(tokens, context)).account_id


async def owner_of(tokens: TokenVerifier, context: Context) -> Owner:
    """Tell who calls, and where to reach them."""
    caller = await tokens.caller(context)
    return Owner(AccountId(caller.account_id), caller.email)


def metadata_of(context: Context, name: str) -> str:
    """Read a header of the call; empty if there is none."""
    for key, value in context.invocation_metadata() or ():
        if key == name:
            return str(value)
    return ""


async def say_created(conversion: Conversion, context: Context) -> None:
    """Ask the edge for 201, and say where the conversion is."""
    await context.send_initial_metadata(
        (("x-http-code", "201"), ("location", f"/v1/conversions/{conversion.id}"))
    )
