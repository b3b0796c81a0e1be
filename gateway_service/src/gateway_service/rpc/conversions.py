"""The ConversionService over gRPC: unwire, use case, wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway_service import wire
from gateway_service.domain import ConversionId
from gateway_service.rpc.calls import Context, account_of, owner_of, say_created
from gateway_service.use_cases.change import CancelConversion, DeleteConversion, RetryConversion
from gateway_service.use_cases.read import GetConversion, ListConversions, WatchConversion
from tonearm.gateway.v1 import conversion_pb2, conversion_pb2_grpc
from tonearm_chassis.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class Reading:
    """The use cases that only look."""

    get: GetConversion
    list: ListConversions
    watch: WatchConversion


@dataclass(frozen=True, slots=True)
class Changing:
    """The use cases that change something."""

    cancel: CancelConversion
    retry: RetryConversion
    delete: DeleteConversion


class ConversionServicer(conversion_pb2_grpc.ConversionServiceServicer):
    """The ConversionService."""

    def __init__(self, tokens: TokenVerifier, reading: Reading, changing: Changing) -> None:
        """Answer with these use cases."""
        self._tokens = tokens
        self._reading = reading
        self._changing = changing

    async def GetConversion(
        self, request: conversion_pb2.GetConversionRequest, context: Context
    ) -> conversion_pb2.GetConversionResponse:
        """Fetch one."""
        account_id = await account_of(self._tokens, context)
        conversion = await self._reading.get(account_id, ConversionId(request.conversion_id))
        return conversion_pb2.GetConversionResponse(conversion=wire.conversion_message(conversion))

    async def ListConversions(
        self, request: conversion_pb2.ListConversionsRequest, context: Context
    ) -> conversion_pb2.ListConversionsResponse:
        """List a page."""
        account_id = await account_of(self._tokens, context)
        start = wire.page_start(request.page_token)
        page, following = await self._reading.list(account_id, request.page_size, start)
        return conversion_pb2.ListConversionsResponse(
            conversions=[wire.listed_message(each) for each in page],
            next_page_token=wire.page_token(following),
        )

    async def WatchConversion(
        self, request: conversion_pb2.WatchConversionRequest, context: Context
    ) -> AsyncIterator[conversion_pb2.WatchConversionResponse]:
        """Follow one."""
        account_id = await account_of(self._tokens, context)
        async for conversion in self._reading.watch(
            account_id, ConversionId(request.conversion_id)
        ):
            yield conversion_pb2.WatchConversionResponse(
                conversion=wire.conversion_message(conversion)
            )

    async def CancelConversion(
        self, request: conversion_pb2.CancelConversionRequest, context: Context
    ) -> conversion_pb2.CancelConversionResponse:
        """Call one off."""
        account_id = await account_of(self._tokens, context)
        cancelled = await self._changing.cancel(account_id, ConversionId(request.conversion_id))
        return conversion_pb2.CancelConversionResponse(
            conversion=wire.conversion_message(cancelled)
        )

    async def RetryConversion(
        self, request: conversion_pb2.RetryConversionRequest, context: Context
    ) -> conversion_pb2.RetryConversionResponse:
        """Make another one of the same video."""
        owner = await owner_of(self._tokens, context)
        made = await self._changing.retry(
            owner, ConversionId(request.conversion_id), request.request_id
        )
        await say_created(made, context)
        return conversion_pb2.RetryConversionResponse(conversion=wire.conversion_message(made))

    async def DeleteConversion(
        self, request: conversion_pb2.DeleteConversionRequest, context: Context
    ) -> conversion_pb2.DeleteConversionResponse:
        """Delete one."""
        account_id = await account_of(self._tokens, context)
        await self._changing.delete(account_id, ConversionId(request.conversion_id))
        return conversion_pb2.DeleteConversionResponse()
