"""Put the converter service together and run it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import uvloop
from pymongo import AsyncMongoClient

from converter_service import rpc, wire
from converter_service.adapters.event_progress import EventProgressChannel
from converter_service.adapters.ffmpeg import FfmpegEngine, Patience, find_ffmpeg
from converter_service.adapters.gridfs_audio import GridFSAudioStore
from converter_service.adapters.gridfs_videos import GridFSVideoStore
from converter_service.adapters.mongo_claims import MongoClaimStore
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.settings import Settings
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.desk import Desk
from converter_service.worker import ConversionRequests
from tonearm.converter.v1 import converter_pb2_grpc
from tonearm_chassis import mongo
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.dead_letters import DeadLetters
from tonearm_chassis.errors import Outage
from tonearm_chassis.kafka_consumer import KafkaEventConsumer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.logs import configure_logs, get_log
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.outbox import MongoOutbox, Relay
from tonearm_chassis.server import Binding, ServiceRunner
from tonearm_chassis.settings import load_settings
from tonearm_chassis.tracing import configure_tracing

log = get_log(__name__)

PREPARE_PAUSE_SECONDS = 1.0
LAST_RELAY_SECONDS = 5.0


class Conversions:
    """A `Background`: the indexes, then the desk; the relay ends after it, not with it.

    Outcomes that are reached during the drain are so published before the service ends.
    """

    def __init__(
        self, desk: Desk, claims: MongoClaimStore, outbox: MongoOutbox, relay: Relay
    ) -> None:
        """Run `desk` and `relay` over `claims` and their `outbox`."""
        self.desk = desk
        self._claims = claims
        self._outbox = outbox
        self._relay = relay
        self.ready = asyncio.Event()

    async def run(self, stopping: asyncio.Event) -> None:
        """Prepare the store, waiting for it if need be, then convert until told to stop."""
        while not await self._prepare() and not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), PREPARE_PAUSE_SECONDS)
        self.ready.set()
        is_idle = asyncio.Event()
        relaying = asyncio.create_task(self._relay.run(is_idle))
        try:
            await self.desk.run(stopping)
        finally:
            is_idle.set()
            self._relay.wake()
            await asyncio.wait([relaying], timeout=LAST_RELAY_SECONDS)
            relaying.cancel()

    async def _prepare(self) -> bool:
        try:
            await self._claims.prepare()
            await self._outbox.prepare()
        except Outage as outage:
            log.warning("store_away", cause=str(outage))
            return False
        return True


async def main() -> None:
    """Run the converter service until it is told to stop."""
    settings = load_settings(Settings)
    configure_logs("converter", settings.log_level)
    configure_tracing("converter")
    serve_metrics(settings.metrics_address)
    client = mongo.connect(settings.mongodb_uri.get_secret_value())
    producer = KafkaEventProducer(settings.kafka(), (wire.EVENTS_TOPIC, wire.DEAD_LETTERS_TOPIC))
    engine = FfmpegEngine(find_ffmpeg(settings.ffmpeg), Patience())
    log.info("engine_found", engine=engine.name)
    scratch = settings.scratch_directory or Path(tempfile.gettempdir()) / "tonearm-converter"
    with closing(ScratchWorkshop(scratch)) as workshop:
        conversions = _conversions(settings, client, producer, engine, workshop)
        consumer = KafkaEventConsumer(
            settings.kafka(),
            group="converter",
            topics=(wire.REQUESTS_TOPIC,),
            handler=ConversionRequests(conversions.desk),
            dead_letters=DeadLetters(producer, topic=wire.DEAD_LETTERS_TOPIC, source=wire.SOURCE),
        )
        runner = ServiceRunner(settings, [_binding(engine, conversions.desk)], rpc.TABLE)
        try:
            await runner.run([consumer, conversions], ready=[consumer.assigned, conversions.ready])
        finally:
            await producer.close()
            await client.close()


def _conversions(
    settings: Settings,
    client: AsyncMongoClient[mongo.Document],
    producer: KafkaEventProducer,
    engine: FfmpegEngine,
    workshop: ScratchWorkshop,
) -> Conversions:
    clock = SystemClock()
    collection = mongo.database(client, "converter")["claims"]
    outbox = MongoOutbox(collection)
    relay = Relay(outbox, producer)
    claims = MongoClaimStore(collection, lease_seconds=settings.lease_seconds, promised=relay.wake)
    convert = ConvertVideo(
        Equipment(
            clock=clock,
            claims=claims,
            videos=GridFSVideoStore(mongo.database(client, "videos")),
            audio=GridFSAudioStore(mongo.database(client, "audio")),
            engine=engine,
            workshop=workshop,
            progress=EventProgressChannel(producer, clock),
            lease_seconds=settings.lease_seconds,
        )
    )
    desk = Desk(claims, convert, slots=settings.slots or len(os.sched_getaffinity(0)))
    return Conversions(desk, claims, outbox, relay)


def _binding(engine: FfmpegEngine, desk: Desk) -> Binding:
    servicer = rpc.ConverterServicer(engine.name, desk)
    return Binding(
        rpc.NAME,
        lambda server: converter_pb2_grpc.add_ConverterServiceServicer_to_server(servicer, server),
    )


if __name__ == "__main__":
    uvloop.run(main())
