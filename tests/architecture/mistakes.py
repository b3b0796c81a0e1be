"""Find the places in a module that no general linter would mark."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLOCK_CALLS = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"),
    ("time", "perf_counter"),
}  # fmt: skip
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
VAGUE_WORDS = {"manager", "helper", "helpers", "util", "utils", "common"}
MUTATORS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem",
    "remove", "setdefault", "update",
}  # fmt: skip
CONTAINERS = {"list", "dict", "set", "defaultdict", "deque", "OrderedDict", "Counter", "bytearray"}
MAX_LINES = 350
SUPPRESSION = re.compile(r"#\s*(?:noqa:\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*|type:\s*ignore\[[^\]]+\])")

SKIP = re.compile(r"pytest\.(mark\.(skip|skipif|xfail)|skip|xfail)")
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

Lines = Iterator[int]


@dataclass(frozen=True, slots=True)
class Module:
    """A file to look at: where it lies in the repository, and what it says."""

    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str | Path, text: str) -> Module:
        """Read a module from its text."""
        return cls(Path(path), text, ast.parse(text))

    @property
    def is_test(self) -> bool:
        """Whether it is run by pytest rather than shipped."""
        return "tests" in self.path.parts or self.path.name == "conftest.py"

    @property
    def is_source(self) -> bool:
        """Whether it is shipped in a wheel."""
        return "src" in self.path.parts and not self.is_test

    @property
    def room(self) -> str:
        """The room of a service it belongs to, or its own name elsewhere."""
        if "src" not in self.path.parts:
            return self.path.stem
        inside = self.path.parts[self.path.parts.index("src") + 2 :]
        return Path(inside[0]).stem if inside else ""


def _calls(module: Module) -> Iterator[tuple[ast.Call, str, str]]:
    """Give every call `owner.name(...)`, with the last name of its owner."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            named = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            yield node, named, node.func.attr


def _imported(module: Module) -> Iterator[tuple[int, str, str]]:
    """Give every import as (line, module, name)."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, node.module or "", alias.name


def reads_environment(module: Module) -> Lines:
    """Find what reads the process environment."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}:
            yield node.lineno
    for line, source, name in _imported(module):
        if source == "os" and name in {"environ", "getenv", "environb"}:
            yield line


def reads_clock(module: Module) -> Lines:
    """Find what asks the machine for the time."""
    for node, owner, name in _calls(module):
        if (owner, name) in CLOCK_CALLS:
            yield node.lineno
    for line, source, name in _imported(module):
        if source == "time" and ("time", name) in CLOCK_CALLS:
            yield line


def reads_clock_at_import(module: Module) -> Lines:
    """Find what asks for the time when the module is loaded: it is stale when a test uses it."""
    inside = {
        id(node)
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for statement in (function.body if isinstance(function.body, list) else [function.body])
        for node in ast.walk(statement)
    }
    for node, owner, name in _calls(module):
        if (owner, name) in CLOCK_CALLS and id(node) not in inside:
            yield node.lineno


def composes_log_event(module: Module) -> Lines:
    """Find log lines whose event is not a constant name."""
    for node, owner, name in _calls(module):
        if name not in LOG_METHODS or owner.strip("_").lower() not in {"log", "logger", "logging"}:
            continue
        event = node.args[0] if node.args else None
        if not (isinstance(event, ast.Constant) and re.fullmatch(r"[a-z0-9_]+", str(event.value))):
            yield node.lineno


def patches(module: Module) -> Lines:
    """Find what reaches for mock or mocker."""
    for line, source, name in _imported(module):
        if source in {"unittest.mock", "mock"} or (source, name) == ("unittest", "mock"):
            yield line
    for node in ast.walk(module.tree):
        if isinstance(node, ast.arg) and node.arg == "mocker":
            yield node.lineno


def catches_everything(module: Module) -> Lines:
    """Find handlers for any exception, save those that clean up and raise it again."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            if isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None:
                continue  # it only cleans up on the way out
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(
                kind is None or getattr(kind, "id", "") in {"Exception", "BaseException"}
                for kind in kinds
            ):
                yield node.lineno


def _is_vague(name: str) -> bool:
    words = re.findall(r"[a-z0-9]+|[A-Z][a-z0-9]*", name)
    return bool(VAGUE_WORDS & {word.lower() for word in words})


def names_vaguely(module: Module) -> Lines:
    """Find modules, classes and functions whose name says nothing; a test has a sentence."""
    if any(_is_vague(part) for part in module.path.with_suffix("").parts):
        yield 1
    for node in ast.walk(module.tree):
        if not isinstance(node, DEFINITIONS) or node.name.startswith("test_"):
            continue
        if _is_vague(node.name):
            yield node.lineno


def lacks_docstring(module: Module) -> Lines:
    """Find a module that does not say what it is for."""
    if ast.get_docstring(module.tree) is None:
        yield 1


def _is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        function = value.func
        named = (
            function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        )
        return named in CONTAINERS
    return isinstance(
        value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    )


def _is_empty(value: ast.expr | None) -> bool:
    contents = (
        [*value.args, *value.keywords]
        if isinstance(value, ast.Call)
        else getattr(value, "elts", None) or getattr(value, "keys", None)
    )
    return not contents and not isinstance(value, ast.ListComp | ast.DictComp | ast.SetComp)


def keeps_module_state(module: Module) -> Lines:
    """Find module-level containers that are no constants, and globals."""
    names = set()
    for statement in module.tree.body:
        target, annotation, value = _assignment(statement)
        if _is_container(value) and not target.startswith("__"):
            names.add(target)
            filled_later = _is_empty(value) and annotation in {"", *CONTAINERS}
            if not target.isupper() or filled_later:
                yield statement.lineno
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield node.lineno
    yield from _changes(module, names)


def _changes(module: Module, names: set[str]) -> Lines:
    for call, owner, name in _calls(module):
        bare = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
        if owner in names and name in MUTATORS and bare:
            yield call.lineno
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and getattr(node.value, "id", "") in names
        ):
            yield node.lineno


def _assignment(node: ast.stmt) -> tuple[str, str, ast.expr | None]:
    if isinstance(node, ast.Assign):
        return getattr(node.targets[0], "id", ""), "", node.value
    if isinstance(node, ast.AnnAssign):
        annotation = ast.unparse(node.annotation).partition("[")[0]
        return getattr(node.target, "id", ""), annotation, node.value
    return "", "", None


def is_long(module: Module) -> Lines:
    """Find a module that is too long for one purpose."""
    if module.text.count("\n") > MAX_LINES:
        yield MAX_LINES


def sleeps(module: Module) -> Lines:
    """Find real waiting without a word on why; a sleep of zero only lets others run."""
    lines = module.text.splitlines()
    for node, owner, name in _calls(module):
        real = (
            name == "sleep"
            and owner in {"time", "asyncio"}
            and [ast.unparse(it) for it in node.args] != ["0"]
        )
        if real and "#" not in lines[node.lineno - 1]:
            yield node.lineno


def skips_silently(module: Module) -> Lines:
    """Find skips and expected failures that do not say why."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and SKIP.fullmatch(ast.unparse(node.func)):
            reasons = [it for it in node.keywords if it.arg == "reason"]
            if not ast.unparse(node.func).endswith("skipif"):
                reasons += [ast.keyword("reason", it) for it in node.args]
            if not reasons:
                yield node.lineno
        elif isinstance(node, DEFINITIONS):
            for decorator in node.decorator_list:
                if SKIP.fullmatch(ast.unparse(decorator)):
                    yield decorator.lineno


def suppresses_without_reason(module: Module) -> Lines:
    """Find suppressions that do not say why."""
    for number, line in enumerate(module.text.splitlines(), start=1):
        for match in SUPPRESSION.finditer(line):
            rest = SUPPRESSION.sub("", line[match.end() :])
            above = module.text.splitlines()[number - 2].strip() if number > 1 else ""
            if not re.search(r"\w{2}", rest) and not above.startswith("#"):
                yield number
