"""Open connections to public addresses only, whatever a name says the next time it is asked."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import httpcore

from notifier_service.domain import is_public
from tonearm_chassis.threads import in_thread

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

MOST_ADDRESSES = 4


class NotPublic(Exception):
    """A name leads to an address that is not everybody's to reach."""


class NoAddress(Exception):
    """A name leads nowhere."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a host. Raises `NoAddress`.

    In a thread of its own: the loop's are few, mail needs them, too, and whoever names a host can
    let its name servers take their time.
    """
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await in_thread(ask, "resolver")
    except (OSError, UnicodeError) as error:
        raise NoAddress(host) from error
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """A network backend through which each connection goes, to a name or to an address.

    It asks for a name once, looks at all addresses that it gets, and connects to one of those. TLS
    is still for the name: httpcore sees to that.
    """

    def __init__(
        self,
        resolve: Resolve,
        insecure_hosts: frozenset[str],
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """Let only `insecure_hosts` lead to addresses that are not public."""
        self._resolve = resolve
        self._insecure_hosts = insecure_hosts
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as the base class has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that lets us; raises `NotPublic` and `NoAddress`."""
        addresses = await self._resolve(host, port)
        if host not in self._insecure_hosts and not all(map(is_public, addresses)):
            raise NotPublic(host)
        trouble: Exception = NoAddress(host)
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as the base class has it
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL leads to one."""
        del timeout, socket_options
        raise NotPublic(path)

    async def sleep(self, seconds: float) -> None:
        """Wait between retries, of which there are none."""
        await self._network.sleep(seconds)
