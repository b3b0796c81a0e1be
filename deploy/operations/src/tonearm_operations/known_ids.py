"""Remember more ids than memory should hold."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

# SQLite's limit for the values of one statement is far higher everywhere.
AT_ONCE = 500


class KnownIds:
    """A set of texts in a private temporary file that SQLite makes once it outgrows its cache."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Keep them in this database, which must be empty."""
        self._connection = connection
        connection.execute("create table known (id text primary key) without rowid")

    def add(self, ids: Iterable[str]) -> None:
        """Remember ids; a repeat changes nothing."""
        rows = [(each,) for each in ids]
        self._connection.executemany("insert or ignore into known values (?)", rows)

    def unknown(self, ids: list[str]) -> list[str]:
        """List those that were never added."""
        known: set[str] = set()
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"select id from known where id in ({marks})"  # noqa: S608 - question marks only
            known.update(row[0] for row in self._connection.execute(query, some))
        return [each for each in ids if each not in known]


@contextmanager
def known_ids() -> Iterator[KnownIds]:
    """Remember ids for the length of a block."""
    with closing(sqlite3.connect("")) as connection:
        yield KnownIds(connection)
