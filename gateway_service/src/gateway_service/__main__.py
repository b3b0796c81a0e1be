"""Put the gateway together and run it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import grpc
import uvloop
from pymongo import AsyncMongoClient

from gateway_service import rpc, wire
from gateway_service.adapters.auth_keys import AuthKeys
from gateway_service.adapters.gridfs_audio import GridFSAudioStore
from gateway_service.adapters.gridfs_videos import GridFSVideoStore
from gateway_service.adapters.mongo_conversions import MongoConversionStore
from gateway_service.adapters.mongo_ledger import MongoVideoLedger
from gateway_service.adapters.mongo_records import MongoConversionRecords
from gateway_service.adapters.packaged_page import PackagedPage
from gateway_service.domain import Retention
from gateway_service.settings import Settings
from gateway_service.use_cases.change import CancelConversion, DeleteConversion, RetryConversion
from gateway_service.use_cases.follow import ApplyChange, Reminder
from gateway_service.use_cases.read import (
    DownloadAudio,
    FindAudio,
    GetConversion,
    ListConversions,
    WatchConversion,
)
from gateway_service.use_cases.request import RequestConversion
from gateway_service.use_cases.sweep import Patience, Stores, Sweeper
from gateway_service.use_cases.upload import Limits, UploadVideo
from gateway_service.use_cases.wakeful import Alarm
from gateway_service.use_cases.waveform import GetWaveform
from gateway_service.worker import NewsWorker
from tonearm.auth.v1 import auth_pb2
from tonearm.gateway.v1 import (
    audio_pb2,
    audio_pb2_grpc,
    conversion_pb2,
    conversion_pb2_grpc,
    page_pb2,
    page_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)
from tonearm.notifier.v1 import notifier_pb2
from tonearm_chassis import mongo
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.dead_letters import DeadLetterLimit, DeadLetters
from tonearm_chassis.events import EventProducer
from tonearm_chassis.failpoints import Failpoints
from tonearm_chassis.kafka_consumer import KafkaEventConsumer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.logs import configure_logs
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.outbox import Outbox, Relay
from tonearm_chassis.preparation import Afterwards, Preparation
from tonearm_chassis.server import Binding, ServiceRunner
from tonearm_chassis.settings import load_settings
from tonearm_chassis.store_clock import StoreClock
from tonearm_chassis.tokens import TokenVerifier
from tonearm_chassis.tracing import configure_tracing

SENT_TOPICS = (wire.REQUESTS_TOPIC, wire.NOTIFICATIONS_TOPIC, wire.DEAD_LETTERS_TOPIC)

# gRPC's own patience of two minutes would keep everybody out for long after auth is back.
TO_AUTH = (("grpc.max_reconnect_backoff_ms", 2000),)

# Envoy has one port for all services and sends reflection here.
PUBLIC_SERVICES = (
    auth_pb2.DESCRIPTOR.services_by_name["AuthService"].full_name,
    notifier_pb2.DESCRIPTOR.services_by_name["NotifierService"].full_name,
)


async def main() -> None:
    """Run the gateway until it is told to stop."""
    settings = load_settings(Settings)
    configure_logs("gateway", settings.log_level)
    configure_tracing("gateway")
    serve_metrics(settings.metrics_address)
    client = mongo.connect(settings.mongodb_uri.get_secret_value())
    channel = grpc.aio.insecure_channel(settings.auth_address, options=TO_AUTH)
    producer = KafkaEventProducer(settings.kafka(), SENT_TOPICS)
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
    clock = StoreClock(mongo.database(client, "gateway"), SystemClock())
    sweeper_alarm = Alarm()
    failpoints = Failpoints(settings.failpoints_directory)
    stores, outbox, prepare = keeping(settings, client, failpoints)
    producer = failpoints.around(producer, "gateway.producer")
    relay = Relay(outbox, producer)
    tokens = TokenVerifier(
        AuthKeys(channel),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=SystemClock(),
    )
    reminder = Reminder(stores.conversions, relay, clock, settings.remind_seconds)
    apply = ApplyChange(stores.conversions, relay, clock, retention(settings))
    consumer = consuming(settings, NewsWorker(apply), producer, reminder)
    get = GetConversion(stores.conversions)
    find = FindAudio(get, clock)
    watch = WatchConversion(get, clock)
    request = RequestConversion(stores.conversions, stores.ledger, relay, sweeper_alarm, clock)
    limits = Limits(settings.max_video_bytes, settings.upload_idle_seconds)
    reading = rpc.Reading(get, ListConversions(stores.conversions), watch)
    changing = rpc.Changing(
        CancelConversion(get, stores.conversions, relay, clock, retention(settings)),
        RetryConversion(get, stores.conversions, stores.ledger, request, clock),
        DeleteConversion(stores.conversions, relay, sweeper_alarm, clock),
    )
    preparation = Preparation(clock.measure, *prepare)
    runner = ServiceRunner(
        settings,
        bindings(
            rpc.UploadServicer(
                tokens, UploadVideo(stores.videos, stores.ledger, request, clock, limits)
            ),
            rpc.ConversionServicer(tokens, reading, changing),
            rpc.AudioServicer(
                tokens, DownloadAudio(find, stores.audio), GetWaveform(find, stores.audio)
            ),
            rpc.PageServicer(PackagedPage()),
        ),
        rpc.TABLE,
        also_reflected=PUBLIC_SERVICES,
    )
    sweeper = Sweeper(stores, sweeper_alarm, clock, patience(settings))
    # Not `consumer.assigned`: without Kafka the gateway still takes videos, and its outbox waits.
    # What asks the clock waits until it is measured, or it would sweep by this machine's time.
    timed = [Afterwards(preparation, each.run) for each in (consumer, reminder, sweeper)]
    await runner.run([preparation, clock, relay, watch, *timed], ready=[preparation.done])


def keeping(
    settings: Settings, client: AsyncMongoClient[mongo.Document], failpoints: Failpoints
) -> tuple[Stores, Outbox, Sequence[Callable[[], Awaitable[None]]]]:
    """Put together what is kept where, and how each place is prepared."""
    database = mongo.database(client, "gateway")
    conversions = MongoConversionStore(database, settings.remind_seconds)
    records = MongoConversionRecords(database)
    ledger = MongoVideoLedger(database)
    videos = GridFSVideoStore(mongo.database(client, "videos"))
    audio = GridFSAudioStore(mongo.database(client, "audio"))
    stores = Stores(
        videos=failpoints.around(videos, "gateway.videos", {"begin": "gateway.video_sink"}),
        audio=failpoints.around(audio, "gateway.audio"),
        ledger=failpoints.around(ledger, "gateway.ledger"),
        conversions=failpoints.around(conversions, "gateway.conversions"),
        records=failpoints.around(records, "gateway.records"),
    )
    outbox = failpoints.around(conversions.outbox, "gateway.outbox")
    return stores, outbox, (conversions.prepare, records.prepare, ledger.prepare, videos.prepare)


def consuming(
    settings: Settings, worker: NewsWorker, producer: EventProducer, reminder: Reminder
) -> KafkaEventConsumer:
    """Put together what takes events, and what is done if some were lost."""
    return KafkaEventConsumer(
        settings.kafka(),
        group="gateway",
        topics=(wire.EVENTS_TOPIC,),
        handler=worker,
        dead_letters=DeadLetters(
            producer,
            topic=wire.DEAD_LETTERS_TOPIC,
            source=wire.SOURCE,
            limit=DeadLetterLimit(settings.dead_letters_per_hour),
        ),
        on_replaced=reminder.rush,
        also_watched=SENT_TOPICS,
    )


def retention(settings: Settings) -> Retention:
    """Read how long files are kept."""
    return Retention(
        video=timedelta(hours=settings.video_retention_hours),
        audio=timedelta(days=settings.audio_retention_days),
    )


def patience(settings: Settings) -> Patience:
    """Read how long the sweeper waits."""
    return Patience(
        sweep_seconds=settings.sweep_seconds,
        upload_idle_seconds=settings.upload_idle_seconds,
        orphan_age_seconds=settings.orphan_age_seconds,
        request_memory=timedelta(hours=settings.request_memory_hours),
        retention=retention(settings),
    )


def bindings(
    upload: rpc.UploadServicer,
    conversion: rpc.ConversionServicer,
    audio: rpc.AudioServicer,
    page: rpc.PageServicer,
) -> list[Binding]:
    """Bind each servicer under its service's full name."""
    return [
        Binding(
            upload_pb2.DESCRIPTOR.services_by_name["UploadService"].full_name,
            lambda server: upload_pb2_grpc.add_UploadServiceServicer_to_server(upload, server),
        ),
        Binding(
            conversion_pb2.DESCRIPTOR.services_by_name["ConversionService"].full_name,
            lambda server: conversion_pb2_grpc.add_ConversionServiceServicer_to_server(
                conversion, server
            ),
        ),
        Binding(
            audio_pb2.DESCRIPTOR.services_by_name["AudioService"].full_name,
            lambda server: audio_pb2_grpc.add_AudioServiceServicer_to_server(audio, server),
        ),
        Binding(
            page_pb2.DESCRIPTOR.services_by_name["PageService"].full_name,
            lambda server: page_pb2_grpc.add_PageServiceServicer_to_server(page, server),
        ),
    ]


if __name__ == "__main__":
    uvloop.run(main())
