"""Start, watch and stop a whole stack below one data directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from tonearm_local import leftovers, recipe, supervision
from tonearm_local.blueprint import Blueprint, load, save
from tonearm_local.ports import Ports, is_free
from tonearm_local.recipe import Recipe
from tonearm_local.site import Directory, Secrets, Site
from tonearm_local.supervision import Away, PartState, Supervisor
from tonearm_local.waiting import NotReady, shut_down, wait_until_ready

ATTEMPTS = 3
DEADLINE_SECONDS = 120.0


class Busy(Exception):
    """Somebody else is starting or stopping this stack right now."""


class Stack:
    """A stack of its own below a data directory, on free ports.

    As a context manager it runs for as long as the block does; its data stays. The methods block.
    """

    def __init__(
        self,
        directory: Path,
        *,
        real: bool = False,
        recipe: Recipe | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.directory = Directory.prepared(directory)
        self._recipe = recipe or _recipe(real=real)
        self._deadline_seconds = deadline_seconds
        self._lock = FileLock(self.directory.lock)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def blueprint(self) -> Blueprint:
        """What was started last; raises `NotReady` if nothing ever was."""
        blueprint = load(self.directory.blueprint)
        if blueprint is None:
            raise NotReady(f"nothing was started in {self.directory.root}")
        return blueprint

    @property
    def url(self) -> str:
        """Where the public port is: http://host:port."""
        return self.blueprint.addresses.url

    @property
    def mailbox(self) -> Path:
        """The folder that mails are delivered to."""
        return self.directory.mailbox

    @property
    def database_url(self) -> str:
        """Where auth keeps its accounts."""
        return self.blueprint.addresses.database_url

    @property
    def mongodb_uri(self) -> str:
        """Where documents and files are kept."""
        return self.blueprint.addresses.mongodb_uri

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Where events travel."""
        return self.blueprint.addresses.kafka_bootstrap_servers

    def port_of(self, part: str) -> int:
        """Tell the port on which a part serves others."""
        return self.blueprint.part(part).ports[0]

    def log_of(self, part: str) -> Path:
        """Tell the log file of a part."""
        return self.directory.log_of(part)

    def is_running(self) -> bool:
        """Tell whether its supervisor runs."""
        blueprint = load(self.directory.blueprint)
        if blueprint is None:
            return False
        try:
            Supervisor(blueprint.control).process_id()
        except Away:
            return False
        return True

    def start(self) -> bool:
        """Start what does not run and wait until all is ready; False if the stack ran already.

        Raises `Busy` with nothing changed, and `NotReady` with everything stopped unless it ran.
        """
        with self._alone(seconds=0):
            if self.is_running():
                self._mend()
                return False
            try:
                self._start_anew()
            except BaseException:  # Ctrl-C, too, leaves nothing half-started behind
                self._stop()
                raise
            return True

    def stop(self) -> list[str]:
        """Stop everything, and return the names of programs that had been left over.

        Bounded by the parts' own limits, about half a minute in all; stopping again does nothing.
        Raises `Busy` if somebody else is at it for longer than that.
        """
        with self._alone(seconds=self._deadline_seconds):
            return self._stop()

    def states(self) -> dict[str, PartState]:
        """Ask the supervisor for the state of every part; raises `Away` if it is gone."""
        return Supervisor(self.blueprint.control).states()

    def stop_part(self, name: str) -> None:
        """Stop one part until `start_part`; blocks until it has ended."""
        Supervisor(self.blueprint.control).stop(self.blueprint.part(name))

    def start_part(self, name: str) -> None:
        """Start one stopped part and wait until the whole stack is ready again."""
        blueprint = self.blueprint
        Supervisor(blueprint.control).start(blueprint.part(name))
        self._wait(blueprint)

    def _start_anew(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            leftovers.end(self.directory.root)
            blueprint = self._draw()
            try:
                supervision.start(blueprint, self.directory)
                self._wait(blueprint)
            except (NotReady, supervision.NotStarted):
                self._stop()
                # Between the choice of a port and its use somebody else may have taken it.
                if attempt == ATTEMPTS or all(is_free(port) for port in blueprint.all_ports()):
                    raise
            else:
                return

    def _mend(self) -> None:
        blueprint = self.blueprint
        supervisor = Supervisor(blueprint.control)
        for name, state in supervisor.states().items():
            if state.state in ("stopped", "exited", "fatal"):
                supervisor.start(blueprint.part(name))
        self._wait(blueprint)

    def _draw(self) -> Blueprint:
        ports, secrets = Ports(self.directory.ports), Secrets(self.directory.secrets)
        blueprint = self._recipe(Site(self.directory, ports, secrets))
        save(blueprint, self.directory.blueprint)
        return blueprint

    def _wait(self, blueprint: Blueprint) -> None:
        wait_until_ready(blueprint, self.directory, seconds=self._deadline_seconds)

    def _stop(self) -> list[str]:
        blueprint = load(self.directory.blueprint)
        if blueprint is not None:
            shut_down(blueprint)
        return leftovers.end(self.directory.root)

    @contextmanager
    def _alone(self, *, seconds: float) -> Iterator[None]:
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout:
            raise Busy(f"somebody is starting or stopping {self.directory.root}") from None
        try:
            yield
        finally:
            self._lock.release()


def _recipe(*, real: bool) -> Recipe:
    return recipe.real if real else recipe.embedded
