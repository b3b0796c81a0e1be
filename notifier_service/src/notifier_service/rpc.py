"""NotifierService over gRPC: unwire, use case, wire; and the one table of refusals."""

from __future__ import annotations

from typing import Any

import grpc

from notifier_service import wire
from notifier_service.domain import (
    InvalidChannel,
    InvalidPageSize,
    InvalidPageToken,
    UnknownDelivery,
)
from notifier_service.use_cases import ListDeliveries, RedeliverNotice
from tonearm.notifier.v1 import notifier_pb2, notifier_pb2_grpc
from tonearm_chassis.status import Answer, StatusTable
from tonearm_chassis.tokens import TOKEN_TABLE, TokenVerifier

NAME = "tonearm.notifier.v1.NotifierService"

TABLE: StatusTable = {
    **TOKEN_TABLE,
    InvalidPageSize: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_SIZE"),
    InvalidPageToken: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN"),
    InvalidChannel: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_CHANNEL"),
    UnknownDelivery: Answer(grpc.StatusCode.NOT_FOUND, "UNKNOWN_DELIVERY"),
}

Context = grpc.aio.ServicerContext[Any, Any]


class NotifierServicer(notifier_pb2_grpc.NotifierServiceServicer):
    """The NotifierService."""

    def __init__(
        self,
        verifier: TokenVerifier,
        list_deliveries: ListDeliveries,
        redeliver_notice: RedeliverNotice,
    ) -> None:
        """Answer with these use cases whomever `verifier` knows."""
        self._verifier = verifier
        self._list_deliveries = list_deliveries
        self._redeliver_notice = redeliver_notice

    async def ListDeliveries(
        self, request: notifier_pb2.ListDeliveriesRequest, context: Context
    ) -> notifier_pb2.ListDeliveriesResponse:
        """List the caller's deliveries."""
        caller = await self._verifier.caller(context)
        page = await self._list_deliveries(
            caller.account_id, request.conversion_id, request.page_size, request.page_token
        )
        return wire.page_message(page)

    async def RedeliverNotice(
        self, request: notifier_pb2.RedeliverNoticeRequest, context: Context
    ) -> notifier_pb2.RedeliverNoticeResponse:
        """Send one of the caller's notices again."""
        caller = await self._verifier.caller(context)
        delivery = await self._redeliver_notice(caller.account_id, wire.redelivered(request))
        return notifier_pb2.RedeliverNoticeResponse(delivery=wire.delivery_message(delivery))
