"""Put the converter service together and run it."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from converter_service import rpc, wire
from converter_service.adapters.cage.choice import CageTooWeak, choose_cage, trial_in
from converter_service.adapters.cage.shape import Cage
from converter_service.adapters.doctor.examination import Doctor, Plan
from converter_service.adapters.doctor.findings import Finding, Level, Report
from converter_service.adapters.doctor.machine import Machine
from converter_service.adapters.engine_patience import Patience
from converter_service.adapters.event_progress import EventProgressChannel
from converter_service.adapters.ffmpeg import FfmpegEngine, find_ffmpeg
from converter_service.adapters.gridfs_audio import GridFSAudioStore
from converter_service.adapters.gridfs_videos import GridFSVideoStore
from converter_service.adapters.mongo_checkpoints import MongoCheckpointStore
from converter_service.adapters.mongo_claims import MongoClaimStore
from converter_service.adapters.mongo_give_ups import MongoGiveUps
from converter_service.adapters.mongo_tombstones import MongoTombstoneStore
from converter_service.adapters.scratch import ScratchWorkshop
from converter_service.domain import AttemptLimits, SourceLimits
from converter_service.ports import Engine, Workshop
from converter_service.settings import Settings
from converter_service.use_cases.call_off import CallOff
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.housekeeping import Housekeeping, Retention
from converter_service.use_cases.inspect_video import InspectVideo
from converter_service.use_cases.suspicion import Suspicion
from converter_service.worker import ConversionRequests, Conversions
from tonearm.converter.v1 import converter_pb2_grpc
from tonearm_chassis import mongo
from tonearm_chassis.clock import SystemClock
from tonearm_chassis.dead_letters import DeadLetterLimit, DeadLetters
from tonearm_chassis.events import EventProducer
from tonearm_chassis.failpoints import Failpoints
from tonearm_chassis.kafka_consumer import KafkaEventConsumer
from tonearm_chassis.kafka_producer import KafkaEventProducer
from tonearm_chassis.logs import configure_logs, get_log
from tonearm_chassis.metrics import serve_metrics
from tonearm_chassis.outbox import MongoOutbox, Relay
from tonearm_chassis.preparation import Afterwards, Preparation
from tonearm_chassis.server import Background, Binding, ServiceRunner
from tonearm_chassis.settings import EX_CONFIG, load_settings
from tonearm_chassis.store_clock import StoreClock
from tonearm_chassis.tracing import configure_tracing

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a running converter is made of."""

    desk: Desk
    inspect: InspectVideo
    call_off: CallOff
    preparation: Preparation
    clock: StoreClock
    conversions: Conversions
    housekeeping: Housekeeping

    def backgrounds(self, consumer: KafkaEventConsumer) -> list[Background]:
        """List what runs for as long as the service does."""
        # What asks the clock waits until it is measured, or it would go by this machine's time.
        timed = (consumer, self.conversions, self.call_off, self.housekeeping)
        return [
            self.preparation,
            self.clock,
            *[Afterwards(self.preparation, each.run) for each in timed],
        ]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the parts are put on top of."""

    settings: Settings
    client: AsyncMongoClient[mongo.Document]
    producer: EventProducer
    engine: Engine
    workshop: Workshop
    failpoints: Failpoints


async def main() -> None:
    """Run the converter service until it is told to stop."""
    settings = load_settings(Settings)
    configure_logs("converter", settings.log_level)
    configure_tracing("converter")
    serve_metrics(settings.metrics_address)
    failpoints = Failpoints(settings.failpoints_directory)
    client = mongo.connect(settings.mongodb_uri.get_secret_value())
    bus = KafkaEventProducer(settings.kafka(), (wire.EVENTS_TOPIC, wire.DEAD_LETTERS_TOPIC))
    producer = failpoints.around(bus, "converter.producer")
    with closing(ScratchWorkshop(_scratch(settings))) as workshop:
        cage = await _cage(settings, workshop)
        encoders = settings.encoders or _cores()
        program = find_ffmpeg(settings.ffmpeg)
        engine = FfmpegEngine(
            program,
            Patience(most_file_bytes=settings.max_audio_bytes),
            cage,
            encoders=encoders,
        )
        log.info(
            "engine_found",
            engine=engine.name,
            program=program,
            chosen_by=settings.ffmpeg,
            cage=list(cage.layers),
            encoders=encoders,
        )
        parts = _put_together(
            Surroundings(settings, client, producer, engine, workshop, failpoints)
        )
        consumer = _consumer(settings, producer, parts)
        runner = ServiceRunner(settings, [_binding(engine, parts)], rpc.TABLE)
        try:
            await runner.run(
                parts.backgrounds(consumer),
                ready=[parts.preparation.done, consumer.assigned],
            )
        finally:
            await bus.close()
            await client.close()


def _scratch(settings: Settings) -> Path:
    return settings.scratch_directory or Path(tempfile.gettempdir()) / "tonearm-converter"


async def doctor(*, as_json: bool) -> int:
    """Say whether a worker could work here; needs neither MongoDB nor Kafka."""
    settings = load_settings(
        partial(Settings, mongodb_uri=SecretStr(""), kafka_bootstrap_servers="")
    )
    cores = _cores()
    plan = Plan(
        settings.ffmpeg, settings.cage, cores, settings.encoders or cores, settings.slots or cores
    )
    try:
        workshop = ScratchWorkshop(_scratch(settings))
    except OSError as error:
        report = Report((Finding("scratch", Level.UNUSABLE, str(error)),))
    else:
        with closing(workshop):
            examined = Doctor(plan, workshop, trial_in(workshop), SystemClock(), Machine())
            report = await examined.examine()
    print(report.json() if as_json else report.text())  # noqa: T201 - that is the command's answer
    return report.level


def command(arguments: Sequence[str]) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m converter_service", description=__doc__)
    words = parser.add_subparsers(dest="word", metavar="[doctor]")
    examine = words.add_parser(
        "doctor", help="say whether a worker could work here: 0 if so, 1 with warnings, 2 if not"
    )
    examine.add_argument("--json", action="store_true", help="one JSON object")
    asked = parser.parse_args(arguments)
    if asked.word == "doctor":
        configure_logs("converter", "error")
        sys.exit(uvloop.run(doctor(as_json=asked.json)))
    uvloop.run(main())


async def _cage(settings: Settings, workshop: Workshop) -> Cage:
    try:
        return await choose_cage(settings.cage, trial_in(workshop))
    except CageTooWeak:
        sys.exit(EX_CONFIG)


def _consumer(settings: Settings, producer: EventProducer, parts: Parts) -> KafkaEventConsumer:
    return KafkaEventConsumer(
        settings.kafka(),
        group="converter",
        topics=(wire.REQUESTS_TOPIC,),
        handler=ConversionRequests(parts.desk, parts.call_off),
        dead_letters=DeadLetters(
            producer,
            topic=wire.DEAD_LETTERS_TOPIC,
            source=wire.SOURCE,
            limit=DeadLetterLimit(settings.dead_letters_per_hour),
        ),
    )


def _put_together(around: Surroundings) -> Parts:
    settings, database = around.settings, mongo.database(around.client, "converter")
    fail = around.failpoints.around
    clock, collection = StoreClock(database, SystemClock()), database["claims"]
    outbox = fail(MongoOutbox(collection), "converter.outbox")
    relay = Relay(outbox, around.producer)
    claims = fail(
        MongoClaimStore(collection, lease_seconds=settings.lease_seconds, promised=relay.wake),
        "converter.claims",
    )
    tombstones = fail(
        MongoTombstoneStore(clock, collection, promised=relay.wake), "converter.claims"
    )
    audio = fail(GridFSAudioStore(mongo.database(around.client, "audio")), "converter.audio")
    videos = fail(GridFSVideoStore(mongo.database(around.client, "videos")), "converter.videos")
    checkpoints = fail(MongoCheckpointStore(database["checkpoints"]), "converter.checkpoints")
    suspicion = Suspicion(clock)
    convert = ConvertVideo(
        Equipment(
            clock=clock,
            claims=claims,
            videos=videos,
            audio=audio,
            checkpoints=checkpoints,
            engine=fail(around.engine, "converter.engine"),
            workshop=around.workshop,
            progress=EventProgressChannel(around.producer, clock),
            suspicion=suspicion,
            give_ups=fail(
                MongoGiveUps(database["limits"], per_hour=settings.give_ups_per_hour),
                "converter.limits",
            ),
            lease_seconds=settings.lease_seconds,
            limits=AttemptLimits(losses_alone=settings.max_losses, outages=settings.max_outages),
            source_limits=_source_limits(settings),
        )
    )
    slots = settings.slots or _cores()
    desk = Desk(claims, convert, suspicion, slots=slots)
    return Parts(
        desk=desk,
        inspect=InspectVideo(videos, around.engine, around.workshop),
        call_off=CallOff(tombstones, audio, checkpoints, desk.stop),
        preparation=Preparation(
            clock.measure,
            claims.prepare,
            tombstones.prepare,
            audio.prepare,
            checkpoints.prepare,
            outbox.prepare,
        ),
        clock=clock,
        conversions=Conversions(desk, relay),
        housekeeping=Housekeeping(clock, tombstones, audio, checkpoints, _retention(settings)),
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _source_limits(settings: Settings) -> SourceLimits:
    return SourceLimits(
        longest_seconds=settings.max_audio_hours * 3600,
        most_audio_bytes=settings.max_audio_bytes,
        most_expansion=settings.max_expansion,
    )


def _retention(settings: Settings) -> Retention:
    return Retention(
        sweep_seconds=settings.sweep_seconds,
        orphan_age_seconds=settings.orphan_age_seconds,
        tombstone_days=settings.tombstone_days,
    )


def _binding(engine: Engine, parts: Parts) -> Binding:
    servicer = rpc.ConverterServicer(engine.name, parts.desk, parts.inspect)
    return Binding(
        rpc.NAME,
        lambda server: converter_pb2_grpc.add_ConverterServiceServicer_to_server(servicer, server),
    )


if __name__ == "__main__":
    command(sys.argv[1:])
