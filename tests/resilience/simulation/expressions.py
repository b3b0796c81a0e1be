"""What MongoDB makes of queries, updates and expressions, as far as the services use it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Document = dict[str, Any]
# Nothing at all, which is not the same as null.
MISSING: Any = type("Missing", (), {"__repr__": lambda _: "MISSING", "__bool__": lambda _: False})()
UNITS = {"millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}


def copied(value: Any) -> Any:
    """Copy a value as a store keeps it: times in milliseconds, nothing shared."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is dict:
        return {key: copied(each) for key, each in value.items()}
    if kind is list or kind is tuple:
        return [copied(each) for each in value]
    if kind is datetime:
        spare = value.microsecond % 1000
        return value.replace(microsecond=value.microsecond - spare) if spare else value
    return str(value) if isinstance(value, str) else value


RANKS: dict[type, int] = {
    type(MISSING): -1,
    type(None): 0,
    int: 1,
    float: 1,
    str: 2,
    dict: 3,
    list: 4,
    bytes: 5,
    bool: 6,
    datetime: 7,
}


PLAIN = frozenset(RANKS) - {dict, list}


def rank(value: Any) -> int:
    """Place a type in BSON's order of types."""
    return RANKS.get(type(value), 7)


def compare(one: Any, other: Any) -> int:
    """Compare two values of any types."""
    ranks = rank(one), rank(other)
    if ranks[0] != ranks[1]:
        return -1 if ranks[0] < ranks[1] else 1
    if ranks[0] <= 0 or one == other:
        return 0
    if isinstance(one, Mapping):
        one, other = list(one.items()), list(other.items())
    return -1 if one < other else 1


in_order = functools.cmp_to_key(compare)


def found(document: Any, path: str) -> Iterator[Any]:
    """Give every value that a dotted path reaches, through arrays as well."""
    name, _, rest = path.partition(".")
    if isinstance(document, list):
        if name.isdigit() and int(name) < len(document):
            yield from found(document[int(name)], rest) if rest else (document[int(name)],)
        for each in document:
            if isinstance(each, Mapping):
                yield from found(each, path)
    elif isinstance(document, Mapping) and name in document:
        if rest:
            yield from found(document[name], rest)
        else:
            yield document[name]


def reached(document: Document, path: str) -> list[Any]:
    """Give the values that a query looks at: arrays, and each of their elements."""
    values = list(found(document, path))
    return [*values, *(each for value in values if isinstance(value, list) for each in value)]


def matches(document: Document, query: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a document answers a query."""
    for key, wanted in query.items():  # noqa: SIM110 - this is where the time goes
        if not _matches(document, key, wanted, now):
            return False
    return True


def _matches(document: Document, key: str, wanted: Any, now: datetime) -> bool:
    match key:
        case "$and":
            return all(matches(document, each, now) for each in wanted)
        case "$or":
            return any(matches(document, each, now) for each in wanted)
        case "$nor":
            return not any(matches(document, each, now) for each in wanted)
        case "$expr":
            return bool(evaluated(wanted, document, now))
    if key.startswith("$"):
        raise NotImplementedError(key)
    if "." not in key and type(value := document.get(key, MISSING)) in PLAIN:
        return _holds([] if value is MISSING else [value], wanted, now)
    return _holds(reached(document, key), wanted, now)


def _holds(values: list[Any], wanted: Any, now: datetime) -> bool:
    if type(wanted) is not dict or not wanted or not next(iter(wanted)).startswith("$"):
        return _equals(values, wanted)
    for name, value in wanted.items():  # noqa: SIM110 - as above
        if not _condition(values, name, value, now):
            return False
    return True


def _equals(values: list[Any], wanted: Any) -> bool:
    if not values:
        return wanted is None
    for each in values:  # noqa: SIM110 - as above
        if each == wanted and rank(each) == rank(wanted):
            return True
    return False


def _condition(values: list[Any], name: str, wanted: Any, now: datetime) -> bool:
    match name:
        case "$eq":
            return _equals(values, wanted)
        case "$ne":
            return not _equals(values, wanted)
        case "$in":
            return any(_equals(values, each) for each in wanted)
        case "$nin":
            return not any(_equals(values, each) for each in wanted)
        case "$exists":
            return bool(values) == bool(wanted)
        case "$not":
            return not _holds(values, wanted, now)
        case "$size":
            return any(isinstance(each, list) and len(each) == wanted for each in values)
        case "$elemMatch":
            return any(
                _element(each, wanted, now)
                for value in values
                if isinstance(value, list)
                for each in value
            )
    test = ORDER[name]
    # Only values of the same type are compared.
    return any(rank(each) == rank(wanted) and test(compare(each, wanted)) for each in values)


def _element(value: Any, wanted: Mapping[str, Any], now: datetime) -> bool:
    if all(name.startswith("$") for name in wanted):
        return _holds([value], wanted, now)
    return isinstance(value, Mapping) and matches(dict(value), wanted, now)


ORDER: dict[str, Callable[[int], bool]] = {
    "$lt": lambda order: order < 0,
    "$lte": lambda order: order <= 0,
    "$gt": lambda order: order > 0,
    "$gte": lambda order: order >= 0,
    "$eq": lambda order: order == 0,
    "$ne": lambda order: order != 0,
}


def evaluated(expression: Any, document: Document, now: datetime) -> Any:
    """Evaluate an aggregation expression."""
    if isinstance(expression, str) and expression.startswith("$$"):
        return {"$$NOW": now, "$$ROOT": document, "$$REMOVE": MISSING}[expression]
    if isinstance(expression, str) and expression.startswith("$"):
        value: Any = document
        for name in expression[1:].split("."):
            value = value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
        return value
    if isinstance(expression, Mapping):
        if len(expression) == 1 and (name := next(iter(expression))).startswith("$"):
            return _operator(name, expression[name], document, now)
        return {key: evaluated(each, document, now) for key, each in expression.items()}
    if isinstance(expression, (list, tuple)):
        return [evaluated(each, document, now) for each in expression]
    return expression


def _operator(name: str, given: Any, document: Document, now: datetime) -> Any:
    """Evaluate an operator that looks at no more of its arguments than it must."""

    def value(expression: Any) -> Any:
        return evaluated(expression, document, now)

    match name:
        case "$literal":
            return given
        case "$cond":
            branches = (
                (given["if"], given["then"], given["else"]) if isinstance(given, Mapping) else given
            )
            return value(branches[1] if value(branches[0]) else branches[2])
        case "$and":
            return all(value(each) for each in given)
        case "$or":
            return any(value(each) for each in given)
        case "$ifNull":
            values = [value(each) for each in given]
            return next((each for each in values[:-1] if each not in (None, MISSING)), values[-1])
        case "$dateAdd":
            moment = value(given["startDate"])
            return moment + timedelta(seconds=UNITS[given["unit"]] * value(given["amount"]))
        case "$filter":
            return [
                each
                for each in value(given["input"])
                if _with_variable(given["cond"], given.get("as", "this"), each, document, now)
            ]
        case "$switch":
            for branch in given["branches"]:
                if value(branch["case"]):
                    return value(branch["then"])
            return value(given["default"])
    arguments = value(given)
    return FUNCTIONS[name](arguments if isinstance(given, (list, tuple)) else [arguments])


def _with_variable(
    expression: Any,
    name: str,
    bound: Any,
    document: Document,
    now: datetime,
) -> Any:
    return evaluated(
        _substituted(expression, f"$${name}", f"$__{name}"), {**document, f"__{name}": bound}, now
    )


def _substituted(expression: Any, old: str, new: str) -> Any:
    if isinstance(expression, str) and (expression == old or expression.startswith(f"{old}.")):
        return new + expression[len(old) :]
    if isinstance(expression, Mapping):
        return {key: _substituted(each, old, new) for key, each in expression.items()}
    if isinstance(expression, (list, tuple)):
        return [_substituted(each, old, new) for each in expression]
    return expression


def _type(values: Sequence[Any]) -> str:
    names = {
        -1: "missing",
        0: "null",
        1: "double",
        2: "string",
        3: "object",
        4: "array",
        5: "binData",
    }
    place = rank(values[0])
    if place == 1 and isinstance(values[0], int):
        return "int"
    return names.get(place) or ("bool" if place == 6 else "date")


def _long(value: Any) -> Any:
    if value is MISSING or value is None:
        return None
    if isinstance(value, datetime):
        return round((value - EPOCH) / timedelta(milliseconds=1))
    return int(value)


def _sum(values: Sequence[Any]) -> Any:
    if any(each is None or each is MISSING for each in values):
        return None
    moments = [each for each in values if isinstance(each, datetime)]
    numbers = [each for each in values if not isinstance(each, datetime)]
    return moments[0] + timedelta(milliseconds=sum(numbers)) if moments else sum(numbers)


def _difference(values: Sequence[Any]) -> Any:
    one, other = values
    if one in (None, MISSING) or other in (None, MISSING):
        return None
    if isinstance(one, datetime) and isinstance(other, datetime):
        return round((one - other) / timedelta(milliseconds=1))
    return one - timedelta(milliseconds=other) if isinstance(one, datetime) else one - other


def _there(values: Sequence[Any]) -> list[Any]:
    return [each for each in values if each is not None and each is not MISSING]


def _joined(values: Sequence[Any]) -> Document:
    joined: Document = {}
    for each in _there(values):
        joined |= each
    return joined


def _united(values: Sequence[Any]) -> list[Any]:
    united: list[Any] = []
    for value in values:
        united += [each for each in value if each not in united]
    return united


def _comparison(test: Callable[[int], bool]) -> Callable[[Sequence[Any]], Any]:
    return lambda values: test(compare(values[0], values[1]))


FUNCTIONS: dict[str, Callable[[Sequence[Any]], Any]] = {
    **{name: _comparison(test) for name, test in ORDER.items()},
    "$not": lambda values: not values[0],
    "$in": lambda values: values[0] in values[1],
    "$type": _type,
    "$toLong": lambda values: _long(values[0]),
    "$add": _sum,
    "$subtract": _difference,
    "$multiply": lambda values: functools.reduce(lambda one, other: one * other, values),
    "$divide": lambda values: values[0] / values[1],
    "$pow": lambda values: values[0] ** values[1],
    "$min": lambda values: min(_there(values), key=in_order, default=None),
    "$max": lambda values: max(_there(values), key=in_order, default=None),
    "$size": lambda values: len(values[0]),
    "$concat": "".join,
    "$arrayElemAt": lambda values: values[0][values[1]],
    "$slice": lambda values: values[0][values[1] :] if values[1] < 0 else values[0][: values[1]],
    "$concatArrays": lambda values: [each for value in values for each in value],
    "$setUnion": _united,
    "$setDifference": lambda values: [each for each in values[0] if each not in values[1]],
    "$mergeObjects": _joined,
    "$isArray": lambda values: isinstance(values[0], list),
}
