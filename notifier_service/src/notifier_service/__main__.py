"""Put the notifier together and run it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import grpc
import uvloop
from pymongo import AsyncMongoClient

from notifier_service import rpc, wire
from notifier_service.adapters.auth_keys import AuthKeys
from notifier_service.adapters.mongo_deliveries import MongoDeliveryStore
from notifier_service.adapters.smtp_mailer import SMTPAccess, SMTPMailer
from notifier_service.domain import Patience
from notifier_service.letter import Letterhead
from notifier_service.ports import DeliveryStore, Mailer
from notifier_service.settings import Settings
from notifier_service.use_cases import (
    ForgetConversion,
    Lease,
    ListDeliveries,
    RedeliverNotice,
    RequestNotice,
    SendDelivery,
    SweepTombstones,
)
from notifier_service.worker import NotificationWorker, Sender, TombstoneSweeper
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
    clock, deliveries = StoreClock(database, SystemClock()), database["deliveries"]
    failpoints = Failpoints(settings.failpoints_directory)
    store = failpoints.around(MongoDeliveryStore(deliveries), "notifier.deliveries")
    outbox = failpoints.around(MongoOutbox(deliveries), "notifier.outbox")
    producer = failpoints.around(producer, "notifier.producer")
    mailer = failpoints.around(SMTPMailer(smtp_access(settings)), "notifier.mailer")
    relay = Relay(outbox, producer)
    sender = sending(settings, clock, store, mailer, on_settled=relay.wake)
    request_notice = RequestNotice(store, wake_sender=sender.wake, wake_relay=relay.wake)
    forget_conversion = ForgetConversion(store, wake_relay=relay.wake)
    worker = NotificationWorker(request_notice, forget_conversion)
    consumer = consuming(settings, worker, producer)
    sweeper = TombstoneSweeper(
        SweepTombstones(store, keep=timedelta(days=settings.tombstone_days)),
        every_seconds=settings.sweep_seconds,
    )
    preparation = Preparation(clock.measure, store.prepare, outbox.prepare)
    tokens = TokenVerifier(
        AuthKeys(channel),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=SystemClock(),
    )
    servicer = rpc.NotifierServicer(
        tokens, ListDeliveries(store), RedeliverNotice(store, wake_sender=sender.wake)
    )
    runner = ServiceRunner(settings, [binding(servicer)], rpc.TABLE)
    await runner.run(
        # What gives mails up by the clock waits until it is measured.
        [preparation, clock, Afterwards(preparation, sender.run), consumer, relay, sweeper],
        ready=[preparation.done, consumer.assigned],
    )


def sending(
    settings: Settings,
    clock: Clock,
    store: DeliveryStore,
    mailer: Mailer,
    *,
    on_settled: Callable[[], None],
) -> Sender:
    """Put together what sends mail."""
    lease = Lease(store, clock, settings.lease_seconds)
    send = SendDelivery(
        store,
        mailer,
        lease=lease,
        letterhead=Letterhead(settings.mail_from, settings.public_url),
        patience=Patience(timedelta(hours=settings.notify_give_up_hours)),
        clock=clock,
    )
    return Sender(
        store, send, lease=lease, at_once=settings.notify_mails_at_once, on_settled=on_settled
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
