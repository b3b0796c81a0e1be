"""Draw the blueprint of a whole stack, with embedded stores or the real ones that are here."""

from __future__ import annotations

from collections.abc import Callable

from tonearm_local import real_stores, stores
from tonearm_local.blueprint import Addresses, Blueprint, Control
from tonearm_local.edge import envoy
from tonearm_local.services import Backing, services
from tonearm_local.site import Site
from tonearm_local.stores import Store

Recipe = Callable[[Site], Blueprint]
"""Draws a blueprint from a site; called for every start, for ports may be others by then."""


def embedded(site: Site) -> Blueprint:
    """Stand on what comes as wheels."""
    accounts, documents, events = stores.sqlite(site), stores.secantus(site), stores.tansu(site)
    # A consumer group's first join takes the embedded broker up to 23 seconds.
    return _assemble(site, (accounts, documents, events), "all", ())


def real(site: Site) -> Blueprint:
    """Stand on MariaDB, MongoDB and Apache Kafka as far as they are here; notices say how far."""
    chosen: list[Store] = []
    notices: list[str] = []
    for name, genuine, stand_in in (
        ("MariaDB", real_stores.mariadb, stores.sqlite),
        ("MongoDB", real_stores.mongod, stores.secantus),
        ("Apache Kafka", real_stores.kafka, stores.tansu),
    ):
        store, notice = _choose(site, name, genuine, stand_in)
        chosen.append(store)
        notices.append(notice)
    accounts, documents, events = chosen
    assignment = "group" if notices[-1].startswith("real:") else "all"
    return _assemble(site, (accounts, documents, events), assignment, tuple(notices))


def _choose(
    site: Site, name: str, genuine: Callable[[Site], Store], stand_in: Callable[[Site], Store]
) -> tuple[Store, str]:
    try:
        return genuine(site), f"real: {name}"
    except real_stores.NotHere as reason:
        return stand_in(site), f"embedded instead of {name}: {reason}"


def _assemble(
    site: Site, backing: tuple[Store, Store, Store], assignment: str, notices: tuple[str, ...]
) -> Blueprint:
    accounts, documents, events = backing
    mailbox = stores.mailbox(site)
    told = Backing(
        database_url=accounts.address,
        mongodb_uri=documents.address,
        kafka_bootstrap_servers=events.address,
        kafka_assignment=assignment,
        smtp_address=mailbox.address,
    )
    programs = [store.part for store in (*backing, mailbox) if store.part is not None]
    return Blueprint(
        parts=(*programs, envoy(site), *services(site, told)),
        control=Control(site.ports.get("supervisor"), site.secrets.get("supervisor")),
        addresses=Addresses(
            url=f"http://127.0.0.1:{site.ports.get('edge')}",
            admin_url=f"http://127.0.0.1:{site.ports.get('edge-admin')}",
            database_url=accounts.address,
            mongodb_uri=documents.address,
            kafka_bootstrap_servers=events.address,
            smtp_address=mailbox.address,
        ),
        notices=notices,
    )
