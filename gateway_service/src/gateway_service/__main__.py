"""Put the gateway together and run it."""

from __future__ import annotations

import grpc
import uvloop
from pymongo import AsyncMongoClient

from gateway_service import rpc, wire
from gateway_service.adapters.auth_keys import AuthKeys
from gateway_service.adapters.gridfs_audio import GridFSAudioStore
from gateway_service.adapters.gridfs_videos import GridFSVideoStore
from gateway_service.adapters.mongo_conversions import MongoConversionStore
from gateway_service.adapters.packaged_page import PackagedPage
from gateway_service.settings import Settings
from gateway_service.use_cases.follow import ApplyChange, Reminder
from gateway_service.use_cases.read import (
    DownloadAudio,
    GetConversion,
    ListConversions,
    WatchConversion,
)
from gateway_service.use_cases.upload import UploadVideo
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
from tonearm_chassis.dead_letters import DeadLetters
from tonearm_chassis.kafka_consumer import KafkaEventConsumer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.logs import configure_logs
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.outbox import Relay
from tonearm_chassis.preparation import Preparation
from tonearm_chassis.server import Binding, ServiceRunner
from tonearm_chassis.settings import load_settings
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
    producer: KafkaEventProducer,
) -> None:
    """Serve with these connections until told to stop."""
    clock = SystemClock()
    conversions = MongoConversionStore(mongo.database(client, "gateway"), settings.remind_seconds)
    relay = Relay(conversions.outbox, producer)
    tokens = TokenVerifier(
        AuthKeys(channel),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=clock,
    )
    videos = GridFSVideoStore(mongo.database(client, "videos"))
    get = GetConversion(conversions)
    watch = WatchConversion(get, clock)
    upload = UploadVideo(videos, conversions, relay, clock, settings.max_video_bytes)
    download = DownloadAudio(get, GridFSAudioStore(mongo.database(client, "audio")))
    consumer = KafkaEventConsumer(
        settings.kafka(),
        group="gateway",
        topics=(wire.EVENTS_TOPIC,),
        handler=NewsWorker(ApplyChange(conversions, relay, clock)),
        dead_letters=DeadLetters(producer, topic=wire.DEAD_LETTERS_TOPIC, source=wire.SOURCE),
    )
    preparation = Preparation(conversions.prepare, videos.prepare)
    reminder = Reminder(conversions, relay, clock, settings.remind_seconds)
    runner = ServiceRunner(
        settings,
        bindings(
            rpc.UploadServicer(tokens, upload),
            rpc.ConversionServicer(tokens, get, ListConversions(conversions), watch),
            rpc.AudioServicer(tokens, download),
            rpc.PageServicer(PackagedPage()),
        ),
        rpc.TABLE,
        also_reflected=PUBLIC_SERVICES,
    )
    # Not `consumer.assigned`: without Kafka the gateway still takes videos, and its outbox waits.
    await runner.run([preparation, consumer, relay, reminder, watch], ready=[preparation.done])


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
