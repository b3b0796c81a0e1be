"""What MongoDB's updates do to a document, as far as the services use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from .expressions import MISSING, Document, compare, copied, evaluated, matches

Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def updated(document: Document, update: Update, now: datetime, *, inserting: bool) -> Document:
    """Give the document as an update leaves it."""
    result: Document = copied(document)
    if isinstance(update, Mapping):
        for operator, fields in update.items():
            for path, value in fields.items():
                _apply(result, operator, path, copied(value), now, inserting=inserting)
        return result
    for stage in update:
        for operator, given in stage.items():
            result = _staged(result, operator, given, now)
    return result


def _staged(document: Document, operator: str, given: Any, now: datetime) -> Document:
    match operator:
        case "$set" | "$addFields":
            values = {path: evaluated(each, document, now) for path, each in given.items()}
            for path, value in values.items():
                if value is MISSING:
                    _remove(document, path)
                else:
                    _put(document, path, copied(value))
        case "$unset":
            for path in [given] if isinstance(given, str) else given:
                _remove(document, path)
        case "$replaceWith" | "$replaceRoot":
            root = given["newRoot"] if operator == "$replaceRoot" else given
            replaced: Document = copied(evaluated(root, document, now))
            return {"_id": document["_id"], **_without_missing(replaced)}
        case _:
            raise NotImplementedError(operator)
    return document


def _without_missing(document: Document) -> Document:
    return {key: each for key, each in document.items() if each is not MISSING}


def _holder(document: Document, path: str) -> tuple[Any, str]:
    *parents, name = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    return document, name


def _put(document: Document, path: str, value: Any) -> None:
    holder, name = _holder(document, path)
    if isinstance(value, Mapping) and not isinstance(value, list):
        value = _without_missing(dict(value))
    holder[name] = value


def _remove(document: Document, path: str) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        if not isinstance(document.get(parent), dict):
            return
        document = document[parent]
    document.pop(name, None)


def _apply(
    document: Document,
    operator: str,
    path: str,
    value: Any,
    now: datetime,
    *,
    inserting: bool,
) -> None:
    holder, name = (document, "") if operator == "$unset" else _holder(document, path)
    match operator:
        case "$set":
            holder[name] = value
        case "$setOnInsert":
            if inserting:
                holder[name] = value
        case "$unset":
            _remove(document, path)
        case "$inc":
            holder[name] = holder.get(name, 0) + value
        case "$max":
            if name not in holder or compare(holder[name], value) < 0:
                holder[name] = value
        case "$min":
            if name not in holder or compare(holder[name], value) > 0:
                holder[name] = value
        case "$push" | "$addToSet":
            added = value["$each"] if isinstance(value, Mapping) and "$each" in value else [value]
            known = holder.setdefault(name, [])
            known += [each for each in added if operator == "$push" or each not in known]
            if isinstance(value, Mapping) and "$slice" in value:
                holder[name] = known[value["$slice"] :] if value["$slice"] else []
        case "$pull":
            holder[name] = [each for each in holder.get(name, []) if not _pulled(each, value, now)]
        case "$pullAll":
            holder[name] = [each for each in holder.get(name, []) if each not in value]
        case "$currentDate":
            holder[name] = now
        case _:
            raise NotImplementedError(operator)


def _pulled(element: Any, condition: Any, now: datetime) -> bool:
    if isinstance(condition, Mapping) and any(name.startswith("$") for name in condition):
        return matches({"it": element}, {"it": condition}, now)
    if isinstance(condition, Mapping) and isinstance(element, Mapping):
        return matches(dict(element), condition, now)
    return compare(element, condition) == 0
