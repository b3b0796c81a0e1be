"""Put the notifier together and run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import grpc
import uvloop
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from notifier_service import rpc, wire
from notifier_service.adapters.auth_keys import AuthKeys
from notifier_service.adapters.http_courier import HTTPCourier, Reach
from notifier_service.adapters.mongo_deliveries import MAILS, MongoDeliveryStore
from notifier_service.adapters.mongo_webhooks import MongoWebhookStore
from notifier_service.adapters.public_network import resolve
from notifier_service.adapters.smtp_mailer import SMTPAccess, SMTPMailer
from notifier_service.domain import Channel, Patience
from notifier_service.letter import Letterhead
from notifier_service.ports import Courier, DeliveryStore, Mailer, Messenger, WebhookStore
from notifier_service.settings import Settings
from notifier_service.use_cases.hooks import WebhookMessenger
from notifier_service.use_cases.mail import MailMessenger
from notifier_service.use_cases.notices import (
    ForgetConversion,
    RedeliverNotice,
    RequestNotice,
    SweepTombstones,
)
from notifier_service.use_cases.records import ListDeliveries
from notifier_service.use_cases.send import Lease, SendDelivery
from notifier_service.use_cases.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    EnableWebhook,
    GetWebhook,
    ListWebhooks,
    RotateSecret,
    Terms,
)
from notifier_service.worker import Lane, NotificationWorker, Sender, TombstoneSweeper
from tonearm.notifier.v1 import notifier_pb2_grpc
from tonearm_chassis import mongo
from tonearm_chassis.clock import Clock, SystemClock
from tonearm_chassis.dead_letters import DeadLetterLimit, DeadLetters
from tonearm_chassis.events import EventProducer
from tonearm_chassis.failpoints import Failpoints
from tonearm_chassis.kafka_consumer import KafkaEventConsumer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.logs import configure_logs
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.outbox import MongoOutbox, Relay
from tonearm_chassis.preparation import Afterwards, Preparation
from tonearm_chassis.server import Binding, ServiceRunner
from tonearm_chassis.settings import load_settings
from tonearm_chassis.store_clock import StoreClock
from tonearm_chassis.tokens import TokenVerifier
from tonearm_chassis.tracing import configure_tracing

# gRPC's own patience of two minutes would keep everybody out for long after auth is back.
TO_AUTH = (("grpc.max_reconnect_backoff_ms", 2000),)


async def main() -> None:
    """Run the notifier until it is told to stop."""
    settings = load_settings(Settings)
    configure_logs("notifier", settings.log_level)
    configure_tracing("notifier")
    serve_metrics(settings.metrics_address)
    client = mongo.connect(settings.mongodb_uri.get_secret_value())
    channel = grpc.aio.insecure_channel(settings.auth_address, options=TO_AUTH)
    producer = KafkaEventProducer(settings.kafka(), (wire.EVENTS_TOPIC, wire.DEAD_LETTERS_TOPIC))
    try:
        await run(settings, client, channel, producer)
    finally:
        await producer.close()
        await channel.close()
        await client.close()


async def run(
    settings: Settings,
    client: AsyncMongoClient[mongo.Document],
    channel: grpc.aio.Channel,
    producer: EventProducer,
) -> None:
    """Serve with these connections until told to stop."""
    database = mongo.database(client, "notifier")
    clock = StoreClock(database, SystemClock())
    outside = around(settings, database, clock, producer)
    relay = Relay(outside.outbox, outside.producer)
    senders = sending(settings, clock, outside, on_settled=relay.wake)

    def wake_senders() -> None:
        for sender in senders:
            sender.wake()

    store = outside.deliveries
    request_notice = RequestNotice(
        store, outside.webhooks, wake_senders=wake_senders, wake_relay=relay.wake
    )
    forget_conversion = ForgetConversion(store, wake_relay=relay.wake)
    worker = NotificationWorker(request_notice, forget_conversion)
    consumer = consuming(settings, worker, outside.producer)
    sweeper = TombstoneSweeper(
        SweepTombstones(store, keep=timedelta(days=settings.tombstone_days)),
        every_seconds=settings.sweep_seconds,
    )
    preparation = Preparation(clock.measure, store.prepare, outside.outbox.prepare)
    tokens = TokenVerifier(
        AuthKeys(channel),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=SystemClock(),
    )
    servicer = rpc.NotifierServicer(
        tokens,
        verbs(settings, clock, outside, RedeliverNotice(store, wake_senders=wake_senders)),
    )
    runner = ServiceRunner(settings, [binding(servicer)], rpc.TABLE)
    # What gives notices up by the clock waits until it is measured.
    sent = [Afterwards(preparation, sender.run) for sender in senders]
    await runner.run(
        [preparation, clock, *sent, consumer, relay, sweeper],
        ready=[preparation.done, consumer.assigned],
    )


@dataclass(frozen=True, slots=True)
class Outside:
    """All that the use cases reach outside, failpoints and all."""

    deliveries: DeliveryStore
    webhooks: WebhookStore
    outbox: MongoOutbox
    producer: EventProducer
    mailer: Mailer
    courier: Courier


def around(
    settings: Settings,
    database: AsyncDatabase[mongo.Document],
    clock: Clock,
    producer: EventProducer,
) -> Outside:
    """Put together what is outside."""
    points = Failpoints(settings.failpoints_directory).around
    reach = Reach(
        resolve,
        insecure_hosts=settings.insecure_hosts(),
        deadline_seconds=settings.webhook_timeout_seconds,
    )
    return Outside(
        deliveries=points(MongoDeliveryStore(database), "notifier.deliveries"),
        webhooks=points(MongoWebhookStore(database), "notifier.webhooks"),
        outbox=points(MongoOutbox(database[MAILS]), "notifier.outbox"),
        producer=points(producer, "notifier.producer"),
        mailer=points(SMTPMailer(smtp_access(settings)), "notifier.mailer"),
        courier=points(HTTPCourier(reach, clock), "notifier.courier"),
    )


def sending(
    settings: Settings, clock: Clock, outside: Outside, *, on_settled: Callable[[], None]
) -> list[Sender]:
    """Put together what sends: one sender for each channel."""
    store, lease = outside.deliveries, Lease(outside.deliveries, clock, settings.lease_seconds)
    patience = Patience(timedelta(hours=settings.notify_give_up_hours))
    letterhead = Letterhead(settings.mail_from, settings.public_url)
    mail = MailMessenger(outside.mailer, letterhead)
    hooks = WebhookMessenger(
        outside.webhooks, outside.courier, write=wire.webhook_body, clock=clock
    )
    mails, webhooks = settings.notify_mails_at_once, settings.notify_webhooks_at_once
    lanes: tuple[tuple[Lane, Messenger], ...] = (
        # All mail goes to one server; webhooks go to servers of each account's own.
        (Lane(Channel.MAIL, mails, at_once_each=mails), mail),
        (Lane(Channel.WEBHOOK, webhooks, at_once_each=max(1, webhooks // 4)), hooks),
    )
    return [
        Sender(
            store,
            SendDelivery(store, messenger, lease=lease, patience=patience, clock=clock),
            lane,
            lease=lease,
            on_settled=on_settled,
        )
        for lane, messenger in lanes
    ]


def verbs(
    settings: Settings, clock: Clock, outside: Outside, redeliver_notice: RedeliverNotice
) -> rpc.Verbs:
    """Put together what callers can ask for."""
    webhooks = outside.webhooks
    terms = Terms(settings.webhooks_per_account, settings.insecure_hosts())
    return rpc.Verbs(
        list_deliveries=ListDeliveries(outside.deliveries),
        redeliver_notice=redeliver_notice,
        create_webhook=CreateWebhook(webhooks, terms, clock),
        get_webhook=GetWebhook(webhooks),
        list_webhooks=ListWebhooks(webhooks),
        delete_webhook=DeleteWebhook(webhooks, outside.deliveries),
        enable_webhook=EnableWebhook(webhooks),
        rotate_secret=RotateSecret(webhooks, clock),
    )


def consuming(
    settings: Settings, worker: NotificationWorker, producer: EventProducer
) -> KafkaEventConsumer:
    """Put together what takes events."""
    return KafkaEventConsumer(
        settings.kafka(),
        group="notifier",
        topics=(wire.NOTIFICATIONS_TOPIC,),
        handler=worker,
        dead_letters=DeadLetters(
            producer,
            topic=wire.DEAD_LETTERS_TOPIC,
            source=wire.SOURCE,
            limit=DeadLetterLimit(settings.dead_letters_per_hour),
        ),
    )


def binding(servicer: rpc.NotifierServicer) -> Binding:
    """Name the service and say how a server takes it on."""
    return Binding(
        rpc.NAME,
        lambda server: notifier_pb2_grpc.add_NotifierServiceServicer_to_server(servicer, server),
    )


def smtp_access(settings: Settings) -> SMTPAccess:
    """Collect what the mailer needs."""
    return SMTPAccess(
        address=settings.smtp_address,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value(),
        timeout_seconds=settings.smtp_timeout_seconds,
    )


if __name__ == "__main__":
    uvloop.run(main())
