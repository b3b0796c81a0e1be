"""Put the services together as their `__main__` does, over the simulated world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import converter_service.wire
import converter_service.worker
import gateway_service.wire
import gateway_service.worker
import notifier_service.wire
import notifier_service.worker
from converter_service.adapters.event_progress import EventProgressChannel
from converter_service.adapters.mongo_claims import MongoClaimStore
from converter_service.adapters.mongo_give_ups import MongoGiveUps
from converter_service.adapters.mongo_tombstones import MongoTombstoneStore
from converter_service.use_cases import housekeeping
from converter_service.use_cases.call_off import CallOff
from converter_service.use_cases.convert_video import ConvertVideo, Equipment
from converter_service.use_cases.desk import Desk
from converter_service.use_cases.suspicion import Suspicion
from gateway_service.adapters.mongo_conversions import MongoConversionStore
from gateway_service.adapters.mongo_ledger import MongoVideoLedger
from gateway_service.adapters.mongo_records import MongoConversionRecords
from gateway_service.domain import Retention
from gateway_service.use_cases import sweep
from gateway_service.use_cases.change import CancelConversion, DeleteConversion, RetryConversion
from gateway_service.use_cases.follow import ApplyChange, Reminder
from gateway_service.use_cases.read import DownloadAudio, FindAudio, GetConversion
from gateway_service.use_cases.request import RequestConversion
from gateway_service.use_cases.upload import Limits, UploadVideo
from gateway_service.use_cases.wakeful import Alarm
from notifier_service.adapters.mongo_deliveries import MAILS, MongoDeliveryStore
from notifier_service.adapters.mongo_webhooks import MongoWebhookStore
from notifier_service.domain import (
    AccountWebhooks,
    Channel,
    NoticeDeferred,
    Patience,
    Secret,
    Webhook,
    WebhookState,
)
from notifier_service.letter import Letter, Letterhead
from notifier_service.ports import Messenger, Reply
from notifier_service.use_cases.hooks import WebhookMessenger
from notifier_service.use_cases.mail import MailMessenger
from notifier_service.use_cases.notices import (
    ForgetConversion,
    RequestNotice,
    SweepTombstones,
)
from notifier_service.use_cases.send import Lease, SendDelivery
from tonearm_chassis.dead_letters import DeadLetterLimit, DeadLetters
from tonearm_chassis.errors import Outage
from tonearm_chassis.events import EventHandler
from tonearm_chassis.outbox import MongoOutbox, Relay
from tonearm_chassis.preparation import Afterwards, Preparation
from tonearm_chassis.store_clock import StoreClock

from .bus import Consumer, SimulatedProducer, consume, watch_generation
from .documents import DocumentDatabase, lost
from .loop import PROCESS, Process, VirtualLoop
from .media import (
    ConverterAudio,
    ConverterVideos,
    Disk,
    GatewayAudio,
    GatewayVideos,
    NoCheckpoints,
    SimulatedEngine,
)

if TYPE_CHECKING:
    from .world import World

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STORE, VIDEOS, AUDIO, MAIL, HOOK = "store", "videos", "audio", "mail", "hook"

REMIND_SECONDS = 4.0
LEASE_SECONDS = 15.0
SLOTS = 2
GIVE_UPS_PER_HOUR = 2
LIMITS = Limits(max_bytes=1000, idle_seconds=40.0)
RETENTION = Retention(video=timedelta(seconds=90), audio=timedelta(days=1))
SWEEP_SECONDS = 20.0
ORPHAN_AGE_SECONDS = 60.0
PATIENCE = sweep.Patience(
    SWEEP_SECONDS, LIMITS.idle_seconds, ORPHAN_AGE_SECONDS, timedelta(days=1), RETENTION
)
HOUSEKEEPING = housekeeping.Retention(SWEEP_SECONDS, ORPHAN_AGE_SECONDS, 14.0)


HERS = Webhook(
    id="hers",
    url="https://hooks.example/",
    state=WebhookState.ENABLED,
    create_time=START,
    secrets=(Secret("whsec_c2VjcmV0"),),
)


class SkewedClock:
    """A `Clock` of a process; its time of day is wrong by as much as the process was given."""

    def __init__(self, loop: VirtualLoop, process: Process) -> None:
        """Follow the loop's time."""
        self._loop = loop
        self._skew = timedelta(seconds=process.skew_seconds)

    def now(self) -> datetime:
        """Tell the time of day, in milliseconds."""
        moment = START + timedelta(seconds=self._loop.now) + self._skew
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        """Tell seconds."""
        return self._loop.now

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class Site:
    """What a service is given: its process, and its way to everything outside."""

    world: World
    process: Process

    @property
    def clock(self) -> SkewedClock:
        """Give the process's own clock."""
        return SkewedClock(self.world.loop, self.process)

    @property
    def producer(self) -> SimulatedProducer:
        """Give a way to send events."""
        return SimulatedProducer(self.world.bus, self.world.network)

    def database(self, name: str) -> Any:
        """Open a database."""

        async def ask(what: str, effect: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
            return await self.world.network.ask(STORE, f"{name}.{what}", effect, lost)

        return DocumentDatabase(self.world.server, name, ask)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something as this process."""
        self.world.run_as(self.process, work)

    def consume(self, group: str, handler: EventHandler, source: str) -> None:
        """Read the group's topic with `handler`."""
        letters = DeadLetters(
            self.producer,
            topic=gateway_service.wire.DEAD_LETTERS_TOPIC,
            source=source,
            limit=DeadLetterLimit(100, self.clock),
        )
        consumer = Consumer(self.process, group)
        self.spawn(consume(self.world.bus, consumer, handler, letters))


class Gateway:
    """A gateway process."""

    def __init__(self, site: Site) -> None:
        """Put it together and start it."""
        self.site = site
        self.process = site.process
        world, stopping = site.world, asyncio.Event()
        database, alarm = site.database("gateway"), Alarm()
        clock = StoreClock(database, site.clock)
        self.preparation = Preparation(clock.measure)
        conversions = MongoConversionStore(database, REMIND_SECONDS)
        relay = Relay(conversions.outbox, site.producer)
        ledger = MongoVideoLedger(database)
        stores = sweep.Stores(
            videos=GatewayVideos(world.videos, world.network, VIDEOS),
            audio=GatewayAudio(world.audio, world.network, AUDIO),
            ledger=ledger,
            conversions=conversions,
            records=MongoConversionRecords(database),
        )
        request = RequestConversion(conversions, ledger, relay, alarm, clock)
        self.get = GetConversion(conversions)
        self.upload = UploadVideo(stores.videos, ledger, request, clock, LIMITS)
        self.cancel = CancelConversion(self.get, conversions, relay, clock, RETENTION)
        self.retry = RetryConversion(self.get, conversions, ledger, request, clock)
        self.delete = DeleteConversion(conversions, relay, alarm, clock)
        self.download = DownloadAudio(FindAudio(self.get, clock), stores.audio)
        reminder = Reminder(conversions, relay, clock, REMIND_SECONDS)
        sweeper = sweep.Sweeper(stores, alarm, clock, PATIENCE)
        for background in (self.preparation, clock, relay):
            site.spawn(background.run(stopping))
        for timed in (reminder.run, sweeper.run, self._consume):
            site.spawn(Afterwards(self.preparation, timed).run(stopping))
        self._apply = ApplyChange(conversions, relay, clock, RETENTION)
        site.spawn(watch_generation(world.bus, clock.sleep, reminder.rush))

    async def _consume(self, _: asyncio.Event) -> None:
        news = gateway_service.worker.NewsWorker(self._apply)
        self.site.consume("gateway", news, gateway_service.wire.SOURCE)

    @property
    def takes_calls(self) -> bool:
        """Tell whether clients reach it: it runs and is prepared."""
        process = self.process
        return process.is_alive and not process.is_stopped and self.preparation.done.is_set()


class Converter:
    """A converter process."""

    def __init__(self, site: Site) -> None:
        """Put it together and start it."""
        self.site = site
        self.process = site.process
        self.disk = Disk()
        world, stopping = site.world, asyncio.Event()
        database = site.database("converter")
        clock = StoreClock(database, site.clock)
        preparation = Preparation(clock.measure)
        collection = database["claims"]
        relay = Relay(MongoOutbox(collection), site.producer)
        claims = MongoClaimStore(collection, lease_seconds=LEASE_SECONDS, promised=relay.wake)
        videos = ConverterVideos(world.videos, world.network, VIDEOS)
        audio = ConverterAudio(world.audio, world.network, AUDIO)
        videos.disk = audio.disk = self.disk
        checkpoints = NoCheckpoints()
        suspicion = Suspicion(clock)
        equipment = Equipment(
            clock=clock,
            claims=claims,
            videos=videos,
            audio=audio,
            checkpoints=checkpoints,
            engine=SimulatedEngine(self.disk, clock, world.trouble),
            workshop=self.disk,
            progress=EventProgressChannel(site.producer, clock),
            suspicion=suspicion,
            give_ups=MongoGiveUps(database["limits"], per_hour=GIVE_UPS_PER_HOUR),
            lease_seconds=LEASE_SECONDS,
        )
        desk = Desk(claims, ConvertVideo(equipment), suspicion, slots=SLOTS)
        tombstones = MongoTombstoneStore(clock, collection, promised=relay.wake)
        call_off = CallOff(tombstones, audio, checkpoints, desk.stop)
        sweeper = housekeeping.Housekeeping(clock, tombstones, audio, checkpoints, HOUSEKEEPING)
        self._requests = converter_service.worker.ConversionRequests(desk, call_off)
        for background in (preparation, clock):
            site.spawn(background.run(stopping))
        conversions = converter_service.worker.Conversions(desk, relay)
        for timed in (conversions.run, call_off.run, sweeper.run, self._consume):
            site.spawn(Afterwards(preparation, timed).run(stopping))

    async def _consume(self, _: asyncio.Event) -> None:
        self.site.consume("converter", self._requests, converter_service.wire.SOURCE)


class SimulatedMailer:
    """A `Mailer` whose mailbox is the world's."""

    def __init__(self, world: World) -> None:
        """Deliver to the world."""
        self._world = world

    async def send(self, letter: Letter) -> None:
        """Hand a letter over, unless the server is busy."""

        async def effect() -> None:
            if self._world.mail_is_busy:
                raise NoticeDeferred("450 busy")
            self._world.mailed(letter)

        await self._world.network.ask(MAIL, "send", effect, lambda: Outage("smtp: cut"))


class SimulatedCourier:
    """A `Courier` to an endpoint that is the world's."""

    def __init__(self, world: World) -> None:
        """Deliver to the world."""
        self._world = world

    async def post(self, _url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Make a request; a busy endpoint has not heard it."""

        async def effect() -> Reply:
            if self._world.hook_is_busy:
                return Reply(503)
            self._world.hooked(headers["webhook-id"], body)
            return Reply(204)

        return await self._world.network.ask(
            HOOK, "post", effect, lambda: NoticeDeferred("it could not be reached")
        )


class Notifier:
    """A notifier process."""

    def __init__(self, site: Site) -> None:
        """Put it together and start it."""
        self.site = site
        self.process = site.process
        database, stopping = site.database("notifier"), asyncio.Event()
        clock = StoreClock(database, site.clock)
        preparation = Preparation(clock.measure)
        store, webhooks = MongoDeliveryStore(database), MongoWebhookStore(database)
        relay = Relay(MongoOutbox(database[MAILS]), site.producer)
        lease = Lease(store, clock, LEASE_SECONDS)
        letterhead = Letterhead("tonearm@example.org", "https://tonearm.example.org")
        messengers: dict[Channel, Messenger] = {
            Channel.MAIL: MailMessenger(SimulatedMailer(site.world), letterhead),
            Channel.WEBHOOK: WebhookMessenger(
                webhooks,
                SimulatedCourier(site.world),
                write=notifier_service.wire.webhook_body,
                clock=clock,
            ),
        }
        patience = Patience(timedelta(hours=72), chance=lambda: 0.5, longest_pause_seconds=20)
        senders = [
            notifier_service.worker.Sender(
                store,
                SendDelivery(store, messenger, lease=lease, patience=patience, clock=clock),
                notifier_service.worker.Lane(channel, at_once=2, at_once_each=2, poll_seconds=3.0),
                lease=lease,
                on_settled=relay.wake,
            )
            for channel, messenger in messengers.items()
        ]

        def wake() -> None:
            for sender in senders:
                sender.wake()

        request = RequestNotice(store, webhooks, wake_senders=wake, wake_relay=relay.wake)
        forget = ForgetConversion(store, wake_relay=relay.wake)
        sweeper = notifier_service.worker.TombstoneSweeper(
            SweepTombstones(store, keep=timedelta(days=14)), every_seconds=60
        )
        for background in (preparation, clock, relay, sweeper):
            site.spawn(background.run(stopping))
        for sender in senders:
            site.spawn(Afterwards(preparation, sender.run).run(stopping))
        site.consume(
            "notifier",
            notifier_service.worker.NotificationWorker(request, forget),
            notifier_service.wire.SOURCE,
        )


async def prepare(world: World) -> None:
    """Create the indexes, as every service does before it is ready, and a webhook of Ada's."""
    site = Site(world, cast("Process", PROCESS.get()))
    gateway = MongoConversionStore(site.database("gateway"), REMIND_SECONDS)
    await gateway.prepare()
    claims = site.database("converter")["claims"]
    await MongoClaimStore(claims, lease_seconds=LEASE_SECONDS, promised=lambda: None).prepare()
    notifier = site.database("notifier")
    await MongoDeliveryStore(notifier).prepare()
    await MongoWebhookStore(notifier).save(AccountWebhooks("ada", webhooks=(HERS,)))


MAKERS: dict[str, Callable[[Site], Gateway | Converter | Notifier]] = {
    "gateway": Gateway,
    "converter": Converter,
    "notifier": Notifier,
}
