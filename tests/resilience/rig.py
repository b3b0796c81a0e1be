"""A whole stack whose parts can be killed, cut off and armed: two gateways, two converters.

Every service reaches MongoDB through a proxy of its own, and Kafka, MariaDB, the mail server and
the customers' endpoints through one proxy each.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import yaml

from tonearm_chassis import failpoints
from tonearm_local import recipe
from tonearm_local.blueprint import Blueprint, Group, Part, Serves
from tonearm_local.probes import obstacle
from tonearm_local.site import Site
from tonearm_local.stack import Stack
from tonearm_local.supervision import Away, PartState, Supervisor

from .caller import Place
from .endpoints import Endpoints
from .fault_proxy import ProxyThread

TWINS = {"gateway": "gateway-2", "converter": "converter-2"}
SERVICES = ("auth", "gateway", "gateway-2", "converter", "converter-2", "notifier")
CONVERTERS = ("converter", "converter-2")
GATEWAYS = ("gateway", "gateway-2")
STORES = {"mongodb": "mongodb", "mariadb": "mariadb", "kafka": "kafka", "mailbox": "smtp"}
"""The parts that proxies stand before, with the names of their ports."""
SHARED = frozenset({"kafka", "mariadb", "mailbox"})
ENDPOINTS = "endpoints"
LOOPBACK = "127.0.0.1"
LOOK_SECONDS = 0.05

Environment = Mapping[str, Mapping[str, str]]


class Rig:
    """A stack with proxies and failpoints; as a context manager it runs for a block.

    `environment` has more settings for a service, by its name ("converter") or for one of the
    twins ("converter-2"). The methods block.
    """

    def __init__(
        self,
        directory: Path,
        *,
        real: bool = False,
        environment: Environment | None = None,
        deadline_seconds: float = 120.0,
    ) -> None:
        self._base = recipe.real if real else recipe.embedded
        self._environment = environment or {}
        self.proxies = ProxyThread()
        self.endpoints = Endpoints()
        self.failpoints = directory.resolve() / "failpoints"
        self.stack = Stack(directory, recipe=self._draw, deadline_seconds=deadline_seconds)
        self._heard_through = 0
        # The stack's own file is read for every question: it does not change while it runs.
        self._blueprint: Blueprint | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def blueprint(self) -> Blueprint:
        """What runs."""
        if self._blueprint is None:
            self._blueprint = self.stack.blueprint
        return self._blueprint

    @property
    def stores(self) -> tuple[str, ...]:
        """The parts that are stores with a program of their own."""
        names = {part.name for part in self.blueprint.parts}
        return tuple(name for name in STORES if name in names)

    @property
    def doors(self) -> tuple[str, ...]:
        """The names of all proxies."""
        shared = [door(name) for name in self.stores if name in SHARED]
        shared.append(door(ENDPOINTS))
        return (*shared, *(door("mongodb", name) for name in SERVICES if name != "auth"))

    @property
    def place(self) -> Place:
        """Where callers find Tonearm, and Tonearm them."""
        heard_through = self._heard_through
        return Place(self.stack.url, f"http://{LOOPBACK}:{heard_through}", self.endpoints)

    def start(self) -> None:
        """Start everything and wait until it is ready."""
        try:
            self.stack.start()
        except BaseException:
            self.proxies.close()
            self.endpoints.close()
            raise

    def stop(self) -> None:
        """Stop everything, whatever state the test left it in."""
        # A stopped process does not hear SIGTERM.
        with suppress(Away):
            for name in self.stack.states():
                self.signal(name, signal.SIGCONT)
        self.proxies.heal()
        self.stack.stop()
        self.proxies.close()
        self.endpoints.close()

    def calm(self) -> None:
        """Undo all that tests may do to a part, and wait until everything is ready."""
        self.disarm()
        self.proxies.heal()
        for name, state in self.stack.states().items():
            self.signal(name, signal.SIGCONT)
            if state.state not in ("running", "starting"):
                self.start_part(name)
        self.wait_until_ready()

    def state(self, name: str) -> PartState:
        """Ask what a part is doing."""
        return self._supervisor().states()[name]

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a part; return its process id, 0 if it does not run."""
        pid = self.state(name).pid
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid

    def kill(self, name: str) -> int:
        """Kill -9 a part, which the supervisor will start again; return the process id it had."""
        return self.signal(name, signal.SIGKILL)

    def stop_part(self, name: str) -> None:
        """Stop a part with SIGTERM and wait for its end."""
        with suppress(Away):  # it had just died by itself
            self._supervisor().stop(self.blueprint.part(name))

    def start_part(self, name: str) -> None:
        """Start a stopped part; does not wait until it is ready."""
        with suppress(Away):
            self._supervisor().start(self.blueprint.part(name))

    @contextmanager
    def frozen(self, name: str) -> Iterator[int]:
        """SIGSTOP a part for as long as the block lasts."""
        pid = self.signal(name, signal.SIGSTOP)
        try:
            yield pid
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def wipe_broker(self, *, away: Callable[[], None] = lambda: None) -> None:
        """Kill the broker, throw away all it has, and let it start again when `away` returns."""
        self.kill("kafka")
        self.stop_part("kafka")
        shutil.rmtree(self.stack.directory.root / "kafka", ignore_errors=True)
        away()
        self.start_part("kafka")

    def ready(self, name: str) -> bool:
        """Tell whether a part is ready for others."""
        return obstacle(self.blueprint.part(name).ready) is None

    def wait_until_ready(self, *names: str, seconds: float = 60.0) -> None:
        """Wait for parts; raises `TimeoutError` that names the one that is not ready."""
        for name in names or tuple(part.name for part in self.blueprint.parts):
            eventually(partial(self.ready, name), f"{name} is ready", seconds=seconds)

    def arm(self, point: str, action: str) -> None:
        """Arm a failpoint."""
        failpoints.arm(self.failpoints, point, action)

    def disarm(self, point: str = "*.*") -> None:
        """Disarm a failpoint, or all."""
        for file in self.failpoints.glob(point):
            file.unlink(missing_ok=True)

    def fired(self, point: str = "") -> list[Path]:
        """List what has fired, of one point or of all."""
        return sorted((self.failpoints / failpoints.FIRED).glob(f"{point}*"))

    def _supervisor(self) -> Supervisor:
        return Supervisor(self.blueprint.control)

    def _draw(self, site: Site) -> Blueprint:
        self._blueprint = None
        self.failpoints.mkdir(exist_ok=True)
        plain = self._base(site)
        parts = list(plain.parts)
        for name, twin in TWINS.items():
            parts.append(_twin(site, plain.part(name), twin))
        _balance(site, parts)
        running = {part.name for part in parts}
        for store in SHARED & running:
            self._open(site, door(store), STORES[store])
        for name in SERVICES:
            self._open(site, door("mongodb", name), STORES["mongodb"])
        self._heard_through = site.ports.get(door(ENDPOINTS))
        self.proxies.open(door(ENDPOINTS), self._heard_through, self.endpoints.port)
        return replace(plain, parts=tuple(self._prepared(site, part) for part in parts))

    def _open(self, site: Site, name: str, target: str) -> None:
        self.proxies.open(name, site.ports.get(name), site.ports.get(target))

    def _prepared(self, site: Site, part: Part) -> Part:
        if part.name == "kafka":
            return _advertised(replace(part, settle_seconds=0), site)
        if part.group is not Group.SERVICES:
            return replace(part, settle_seconds=0)
        kind = part.name.partition("-")[0]
        environment = {
            name: _through_doors(site, part.name, value) for name, value in part.environment.items()
        }
        environment["FAILPOINTS_DIRECTORY"] = str(self.failpoints)
        if kind == "notifier":
            environment["WEBHOOK_INSECURE_HOSTS"] = LOOPBACK
        if kind == "converter":
            environment["SCRATCH_DIRECTORY"] = str(site.directory.scratch / part.name)
        environment |= {**self._environment.get(kind, {}), **self._environment.get(part.name, {})}
        return replace(part, environment=environment, settle_seconds=0)


def door(store: str, service: str = "") -> str:
    """Name the proxy before a store, where each service has its own that of the service."""
    return f"{store}-door-{service}" if service else f"{store}-door"


def eventually(
    condition: Callable[[], Any], what: str, *, seconds: float, pause: float = LOOK_SECONDS
) -> None:
    """Wait until a condition holds; raises `TimeoutError` that says what never came."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


def _twin(site: Site, part: Part, name: str) -> Part:
    port, metrics = site.ports.get(name), site.ports.get(f"{name}-metrics")
    environment = {
        **part.environment,
        "GRPC_ADDRESS": f"127.0.0.1:{port}",
        "METRICS_ADDRESS": f"127.0.0.1:{metrics}",
    }
    return replace(
        part, name=name, environment=environment, ports=(port, metrics), ready=Serves(port)
    )


def _balance(site: Site, parts: list[Part]) -> None:
    """Let Envoy know the second gateway."""
    file = site.directory.run / "envoy.yaml"
    configuration = yaml.safe_load(file.read_text(encoding="utf-8"))
    for cluster in configuration["static_resources"]["clusters"]:
        twin = TWINS.get(cluster["name"])
        if any(part.name == twin for part in parts):
            address = {"address": "127.0.0.1", "port_value": site.ports.get(str(twin))}
            (endpoints,) = cluster["load_assignment"]["endpoints"]
            endpoints["lb_endpoints"].append({"endpoint": {"address": {"socket_address": address}}})
    file.write_text(yaml.safe_dump(configuration), encoding="utf-8")


def _advertised(part: Part, site: Site) -> Part:
    """Let the broker send its clients to the proxy."""
    advertised = site.ports.get(door("kafka"))
    if "--advertised-listener-url" not in part.argv:
        return replace(part, argv=(*part.argv, str(advertised)))
    argv = list(part.argv)
    argv[argv.index("--advertised-listener-url") + 1] = f"tcp://127.0.0.1:{advertised}"
    return replace(part, argv=tuple(argv))


def _through_doors(site: Site, service: str, value: str) -> str:
    for store, port in STORES.items():
        name = door(store) if store in SHARED else door(store, service)
        if f"127.0.0.1:{site.ports.get(port)}" in value:
            here = f"127.0.0.1:{site.ports.get(name)}"
            value = value.replace(f"127.0.0.1:{site.ports.get(port)}", here)
    return value
