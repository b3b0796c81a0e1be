"""Put the notifier together and run it."""

from __future__ import annotations

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
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.dead_letters import DeadLetters
from tonearm_chassis.kafka_consumer import KafkaEventConsumer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.logs import configure_logs
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.outbox import MongoOutbox, Relay
from tonearm_chassis.preparation import Preparation
from tonearm_chassis.server import Binding, ServiceRunner
from tonearm_chassis.settings import load_settings
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
    producer: KafkaEventProducer,
) -> None:
    """Serve with these connections until told to stop."""
    clock = SystemClock()
    deliveries = mongo.database(client, "notifier")["deliveries"]
    store, outbox = MongoDeliveryStore(deliveries), MongoOutbox(deliveries)
    relay = Relay(outbox, producer)
    lease = Lease(store, clock, settings.lease_seconds)
    sender = Sender(
        store,
        SendDelivery(
            store,
            SMTPMailer(smtp_access(settings)),
            lease=lease,
            letterhead=Letterhead(settings.mail_from, settings.public_url),
            patience=Patience(timedelta(hours=settings.notify_give_up_hours)),
            clock=clock,
        ),
        lease=lease,
        at_once=settings.notify_mails_at_once,
        on_settled=relay.wake,
    )
    request_notice = RequestNotice(store, wake_sender=sender.wake, wake_relay=relay.wake)
    consumer = KafkaEventConsumer(
        settings.kafka(),
        group="notifier",
        topics=(wire.NOTIFICATIONS_TOPIC,),
        handler=NotificationWorker(request_notice, ForgetConversion(store, wake_relay=relay.wake)),
        dead_letters=DeadLetters(producer, topic=wire.DEAD_LETTERS_TOPIC, source=wire.SOURCE),
    )
    preparation = Preparation(store.prepare, outbox.prepare)
    tokens = TokenVerifier(
        AuthKeys(channel),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=clock,
    )
    servicer = rpc.NotifierServicer(
        tokens, ListDeliveries(store), RedeliverNotice(store, wake_sender=sender.wake)
    )
    sweeper = TombstoneSweeper(
        SweepTombstones(store, keep=timedelta(days=settings.tombstone_days)),
        every_seconds=settings.sweep_seconds,
    )
    runner = ServiceRunner(settings, [binding(servicer)], rpc.TABLE)
    await runner.run(
        [preparation, consumer, sender, relay, sweeper], ready=[preparation.done, consumer.assigned]
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
