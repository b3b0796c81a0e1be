"""NotifierService over gRPC: unwire, use case, wire; and the one table of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from notifier_service import wire
from notifier_service.domain import (
    InvalidChannel,
    InvalidPageSize,
    InvalidPageToken,
    InvalidRequestId,
    InvalidURL,
    RequestIdReused,
    TooManyWebhooks,
    UnknownDelivery,
    UnknownWebhook,
    WebhookDeleted,
)
from notifier_service.use_cases.notices import RedeliverNotice
from notifier_service.use_cases.records import ListDeliveries
from notifier_service.use_cases.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    EnableWebhook,
    GetWebhook,
    ListWebhooks,
    RotateSecret,
)
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
    InvalidURL: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_URL"),
    InvalidRequestId: Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST_ID"),
    TooManyWebhooks: Answer(grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_WEBHOOKS"),
    RequestIdReused: Answer(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    WebhookDeleted: Answer(grpc.StatusCode.FAILED_PRECONDITION, "WEBHOOK_DELETED"),
    UnknownWebhook: Answer(grpc.StatusCode.NOT_FOUND, "UNKNOWN_WEBHOOK"),
}

NO_STORE = ("cache-control", "no-store")

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Verbs:
    """The use cases behind the calls."""

    list_deliveries: ListDeliveries
    redeliver_notice: RedeliverNotice
    create_webhook: CreateWebhook
    get_webhook: GetWebhook
    list_webhooks: ListWebhooks
    delete_webhook: DeleteWebhook
    enable_webhook: EnableWebhook
    rotate_secret: RotateSecret


class NotifierServicer(notifier_pb2_grpc.NotifierServiceServicer):
    """The NotifierService."""

    def __init__(self, verifier: TokenVerifier, verbs: Verbs) -> None:
        """Answer with these use cases whomever `verifier` knows."""
        self._verifier = verifier
        self._verbs = verbs

    async def ListDeliveries(
        self, request: notifier_pb2.ListDeliveriesRequest, context: Context
    ) -> notifier_pb2.ListDeliveriesResponse:
        """List the caller's deliveries."""
        caller = await self._verifier.caller(context)
        page = await self._verbs.list_deliveries(
            caller.account_id, request.conversion_id, request.page_size, request.page_token
        )
        return wire.page_message(page)

    async def RedeliverNotice(
        self, request: notifier_pb2.RedeliverNoticeRequest, context: Context
    ) -> notifier_pb2.RedeliverNoticeResponse:
        """Send one of the caller's notices again."""
        caller = await self._verifier.caller(context)
        delivery = await self._verbs.redeliver_notice(
            caller.account_id, request.conversion_id, wire.redelivered(request)
        )
        return notifier_pb2.RedeliverNoticeResponse(delivery=wire.delivery_message(delivery))

    async def CreateWebhook(
        self, request: notifier_pb2.CreateWebhookRequest, context: Context
    ) -> notifier_pb2.CreateWebhookResponse:
        """Take in an endpoint of the caller's."""
        caller = await self._verifier.caller(context)
        webhook = await self._verbs.create_webhook(
            caller.account_id, request.url, request.request_id
        )
        # The edge's: 201, where it is, and that a secret must not be cached.
        location = f"/v1/webhooks/{webhook.id}"
        await context.send_initial_metadata(
            (("x-http-code", "201"), ("location", location), NO_STORE)
        )
        return notifier_pb2.CreateWebhookResponse(webhook=wire.secret_webhook_message(webhook))

    async def GetWebhook(
        self, request: notifier_pb2.GetWebhookRequest, context: Context
    ) -> notifier_pb2.GetWebhookResponse:
        """Show one of the caller's webhooks."""
        caller = await self._verifier.caller(context)
        webhook = await self._verbs.get_webhook(caller.account_id, request.webhook_id)
        return notifier_pb2.GetWebhookResponse(webhook=wire.webhook_message(webhook))

    async def ListWebhooks(
        self, request: notifier_pb2.ListWebhooksRequest, context: Context
    ) -> notifier_pb2.ListWebhooksResponse:
        """List the caller's webhooks."""
        caller = await self._verifier.caller(context)
        page = await self._verbs.list_webhooks(
            caller.account_id, request.page_size, request.page_token
        )
        return wire.webhook_page_message(page)

    async def DeleteWebhook(
        self, request: notifier_pb2.DeleteWebhookRequest, context: Context
    ) -> notifier_pb2.DeleteWebhookResponse:
        """Let one of the caller's webhooks go."""
        caller = await self._verifier.caller(context)
        await self._verbs.delete_webhook(caller.account_id, request.webhook_id)
        return notifier_pb2.DeleteWebhookResponse()

    async def EnableWebhook(
        self, request: notifier_pb2.EnableWebhookRequest, context: Context
    ) -> notifier_pb2.EnableWebhookResponse:
        """Tell one of the caller's webhooks again."""
        caller = await self._verifier.caller(context)
        webhook = await self._verbs.enable_webhook(caller.account_id, request.webhook_id)
        return notifier_pb2.EnableWebhookResponse(webhook=wire.webhook_message(webhook))

    async def RotateSecret(
        self, request: notifier_pb2.RotateSecretRequest, context: Context
    ) -> notifier_pb2.RotateSecretResponse:
        """Give one of the caller's webhooks another secret."""
        caller = await self._verifier.caller(context)
        webhook = await self._verbs.rotate_secret(caller.account_id, request.webhook_id)
        await context.send_initial_metadata((NO_STORE,))
        return notifier_pb2.RotateSecretResponse(webhook=wire.secret_webhook_message(webhook))
