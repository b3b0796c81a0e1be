"""A document store in memory that the services' own MongoDB adapters take for the real one.

Its time is a clock's, its requests pass through the network, and every operation is one step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError

from .expressions import MISSING, Document, copied, found, in_order, matches
from .updates import Update, updated

T = TypeVar("T")
Ask = Callable[[str, Callable[[], Coroutine[Any, Any, Any]]], Coroutine[Any, Any, Any]]


@dataclass(slots=True)
class Unique:
    """A unique index."""

    fields: tuple[str, ...]
    where: Mapping[str, Any]


@dataclass(slots=True)
class Rows:
    """The documents of a collection, whoever looks at them."""

    documents: dict[Any, Document] = field(default_factory=dict)
    uniques: dict[str, Unique] = field(default_factory=dict)


class DocumentServer:
    """All databases, and the one clock that counts."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Tell time by `clock`."""
        self.clock = clock
        self.rows: dict[tuple[str, str], Rows] = {}
        self.version = 0

    def documents(self, database: str, collection: str) -> list[Document]:
        """Give all documents of a collection, to be looked at only."""
        return list(self.rows_of(database, collection).documents.values())

    def rows_of(self, database: str, collection: str) -> Rows:
        """Give the documents of a collection by their ids."""
        return self.rows.setdefault((database, collection), Rows())


class DocumentDatabase:
    """A database as one process sees it."""

    def __init__(self, server: DocumentServer, name: str, ask: Ask) -> None:
        """Reach `server` through `ask`."""
        self.server = server
        self.name = name
        self.ask = ask
        self.client = self

    def __getitem__(self, name: str) -> DocumentCollection:
        """Open a collection."""
        return DocumentCollection(self, name)

    async def command(self, name: str) -> Document:
        """Answer what a server says of itself."""

        async def answer() -> Document:
            return {"ok": 1, "localTime": self.server.clock().replace(tzinfo=None)}

        reply: Document = await self.ask(f"command.{name}", answer)
        return reply

    async def list_collection_names(self) -> list[str]:
        """Name the collections."""
        return [name for database, name in self.server.rows if database == self.name]


@dataclass(frozen=True, slots=True)
class Written:
    """What the driver says after a write."""

    matched_count: int = 0
    modified_count: int = 0
    deleted_count: int = 0
    upserted_id: Any = None
    inserted_id: Any = None


class DocumentCollection:
    """An `AsyncCollection`, as far as the adapters use it."""

    def __init__(self, database: DocumentDatabase, name: str) -> None:
        """Open the collection `name`."""
        self.database = database
        self.name = name
        self._rows = database.server.rows_of(database.name, name)

    def _now(self) -> datetime:
        return copied(self.database.server.clock())  # type: ignore[no-any-return] # it is what it was

    async def _ask(self, name: str, work: Callable[[], T]) -> T:
        async def effect() -> T:
            return work()

        answer: T = await self.database.ask(f"{self.name}.{name}", effect)
        return answer

    async def create_index(
        self,
        keys: str | Sequence[tuple[str, Any]],
        *,
        name: str = "",
        unique: bool = False,
        partialFilterExpression: Mapping[str, Any] | None = None,  # noqa: N803 - the driver's name
        **_: object,
    ) -> str:
        """Remember what must be unique."""
        fields = (keys,) if isinstance(keys, str) else tuple(each[0] for each in keys)
        if unique:
            self._rows.uniques[name or "_".join(fields)] = Unique(
                fields, partialFilterExpression or {}
            )
        return name

    # Reading.

    def find(
        self,
        query: Mapping[str, Any] | None = None,
        projection: object = None,  # noqa: ARG002 - more than was asked for does no harm
        *,
        sort: Any = None,
        limit: int = 0,
        **_: object,
    ) -> Cursor:
        """Begin to read."""
        cursor = Cursor(self, query or {}).limit(limit)
        return cursor.sort(sort) if sort else cursor

    async def find_one(
        self,
        query: Mapping[str, Any] | None = None,
        projection: object = None,  # noqa: ARG002 - as above
        *,
        sort: Any = None,
        **_: object,
    ) -> Document | None:
        """Read one document."""

        def work() -> Document | None:
            rows = self.select(query or {}, sort)
            return copied(rows[0]) if rows else None

        return await self._ask("find_one", work)

    async def count_documents(self, query: Mapping[str, Any], limit: int = 0, **_: object) -> int:
        """Count."""
        number = await self._ask("count", lambda: len(self.select(query)))
        return min(number, limit) if limit else number

    async def distinct(self, name: str, query: Mapping[str, Any] | None = None) -> list[Any]:
        """List the values of a field."""

        def work() -> list[Any]:
            values: list[Any] = []
            for row in self.select(query or {}):
                values += [each for each in found(row, name) if each not in values]
            return values

        return await self._ask("distinct", work)

    def select(self, query: Mapping[str, Any], sort: Any = None) -> list[Document]:
        """Give the documents themselves, in order."""
        now = self._now()
        wanted = query.get("_id")
        if isinstance(wanted, str):
            row = self._rows.documents.get(wanted)
            rows = [row] if row is not None and matches(row, query, now) else []
        else:
            rows = [row for row in self._rows.documents.values() if matches(row, query, now)]
        for name, direction in reversed([(sort, 1)] if isinstance(sort, str) else sort or []):
            rows.sort(
                key=lambda row: in_order(next(found(row, name), None)),
                reverse=direction < 0,
            )
        return rows

    # Writing.

    async def insert_one(self, document: Mapping[str, Any], **_: object) -> Written:
        """Insert."""
        return await self._ask("insert_one", lambda: self._insert(document))

    async def insert_many(self, documents: Sequence[Mapping[str, Any]], **_: object) -> None:
        """Insert until one is refused."""

        def work() -> None:
            for document in documents:
                try:
                    self._insert(document)
                except DuplicateKeyError as error:
                    raise BulkWriteError({"writeErrors": [{"code": 11000}]}) from error

        await self._ask("insert_many", work)

    def _insert(self, document: Mapping[str, Any]) -> Written:
        row: Document = copied(document)
        row.setdefault("_id", ObjectId())
        self._keep(row)
        return Written(inserted_id=row["_id"])

    def _keep(self, row: Document, old: Document | None = None) -> None:
        if old is None and row["_id"] in self._rows.documents:
            raise DuplicateKeyError("E11000 _id", 11000, {"keyPattern": {"_id": 1}})
        now = self._now()
        for unique in self._rows.uniques.values():
            if not matches(row, unique.where, now):
                continue
            key = [next(found(row, name), None) for name in unique.fields]
            for other in self._rows.documents.values():
                if other is old or not matches(other, unique.where, now):
                    continue
                if key == [next(found(other, name), None) for name in unique.fields]:
                    pattern = dict.fromkeys(unique.fields, 1)
                    raise DuplicateKeyError("E11000", 11000, {"keyPattern": pattern})
        self._rows.documents[row["_id"]] = row
        self.database.server.version += 1

    async def update_one(
        self, query: Mapping[str, Any], update: Update, *, upsert: bool = False, **_: object
    ) -> Written:
        """Change the first that answers."""
        return await self._ask(
            "update_one", lambda: self._update(self.select(query)[:1], query, update, upsert=upsert)
        )

    async def update_many(
        self, query: Mapping[str, Any], update: Update, *, upsert: bool = False, **_: object
    ) -> Written:
        """Change all that answer."""
        return await self._ask(
            "update_many", lambda: self._update(self.select(query), query, update, upsert=upsert)
        )

    async def replace_one(
        self,
        query: Mapping[str, Any],
        document: Mapping[str, Any],
        *,
        upsert: bool = False,
        **_: object,
    ) -> Written:
        """Put a document in place of another."""

        def work() -> Written:
            rows = self.select(query)[:1]
            if not rows and not upsert:
                return Written()
            old = rows[0] if rows else None
            row = {"_id": old["_id"] if old else query.get("_id"), **copied(document)}
            self._keep(row, old)
            return Written(matched_count=len(rows), modified_count=len(rows))

        return await self._ask("replace_one", work)

    def _update(
        self, rows: list[Document], query: Mapping[str, Any], update: Update, *, upsert: bool
    ) -> Written:
        changed = 0
        for row in rows:
            new = updated(row, update, self._now(), inserting=False)
            self._keep(new, row)
            changed += new != row
        if rows or not upsert:
            return Written(matched_count=len(rows), modified_count=changed)
        return Written(upserted_id=self._upserted(query, update)["_id"])

    def _upserted(self, query: Mapping[str, Any], update: Update) -> Document:
        fixed = {
            key: value
            for key, value in query.items()
            if not key.startswith("$") and not isinstance(value, Mapping)
        }
        row = updated(fixed, update, self._now(), inserting=True)
        row.setdefault("_id", ObjectId())
        self._keep(row)
        return row

    async def find_one_and_update(
        self,
        query: Mapping[str, Any],
        update: Update,
        *,
        upsert: bool = False,
        sort: Any = None,
        return_document: bool = ReturnDocument.BEFORE,
        **_: object,
    ) -> Document | None:
        """Change the first that answers, and give it."""

        def work() -> Document | None:
            rows = self.select(query, sort)
            if not rows:
                return copied(self._upserted(query, update)) if upsert else None
            new = updated(rows[0], update, self._now(), inserting=False)
            old = copied(rows[0])
            self._keep(new, rows[0])
            return copied(new) if return_document else old  # type: ignore[no-any-return] # as above

        return await self._ask("find_one_and_update", work)

    async def find_one_and_delete(self, query: Mapping[str, Any], **_: object) -> Document | None:
        """Delete the first that answers, and give it."""

        def work() -> Document | None:
            rows = self.select(query)
            self._delete(rows[:1])
            return rows[0] if rows else None

        return await self._ask("find_one_and_delete", work)

    async def delete_one(self, query: Mapping[str, Any], **_: object) -> Written:
        """Delete the first that answers."""
        return await self._ask("delete_one", lambda: self._delete(self.select(query)[:1]))

    async def delete_many(self, query: Mapping[str, Any], **_: object) -> Written:
        """Delete all that answer."""
        return await self._ask("delete_many", lambda: self._delete(self.select(query)))

    def _delete(self, rows: list[Document]) -> Written:
        for row in rows:
            del self._rows.documents[row["_id"]]
            self.database.server.version += 1
        return Written(deleted_count=len(rows))


class Cursor:
    """An `AsyncCursor` that reads everything at once."""

    def __init__(self, collection: DocumentCollection, query: Mapping[str, Any]) -> None:
        """Read what answers `query`."""
        self._collection = collection
        self._query = query
        self._sort: list[tuple[str, int]] = []
        self._limit = 0
        self._skip = 0

    def sort(self, keys: Any, direction: int = 1) -> Cursor:
        """Order the answer."""
        self._sort = [(keys, direction)] if isinstance(keys, str) else list(keys)
        return self

    def limit(self, number: int) -> Cursor:
        """Give no more than this; 0 means all."""
        self._limit = number
        return self

    def skip(self, number: int) -> Cursor:
        """Leave out the first ones."""
        self._skip = number
        return self

    def batch_size(self, _number: int) -> Cursor:
        """Make no difference."""
        return self

    async def to_list(self, length: int | None = None) -> list[Document]:
        """Read all."""

        async def effect() -> list[Document]:
            rows = self._collection.select(self._query, self._sort)[self._skip :]
            rows = rows[: self._limit] if self._limit else rows
            answer: list[Document] = copied(rows[:length] if length else rows)
            return answer

        name = f"{self._collection.name}.find"
        rows: list[Document] = await self._collection.database.ask(name, effect)
        return rows

    async def __aiter__(self) -> AsyncIterator[Document]:
        """Read one after the other."""
        for document in await self.to_list():
            yield document

    async def close(self) -> None:
        """Nothing is held."""


def lost() -> Exception:
    """Make the error that the driver raises when a connection breaks."""
    return AutoReconnect("the simulation cut the connection")


__all__ = ["MISSING", "DocumentDatabase", "DocumentServer", "lost"]
