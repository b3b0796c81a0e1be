"""Compare the table of variables in each service's README with its settings.py."""

from __future__ import annotations

import importlib
import re

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_settings import BaseSettings

from .tree import SERVICES, Distribution

SECRET = re.compile("SECRET|PASSWORD|PRIVATE")
ROW = re.compile(r"\|\s*`([A-Z][A-Z0-9_]+)`\s*\|\s*(.*?)\s*\|\s*\S.*\|\s*")

services = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.directory)


def table(readme: str) -> dict[str, str]:
    """Read `variable | default | meaning`: each variable with its default, empty if required."""
    _, _, rest = readme.partition("| variable | default | meaning |\n|---|---|---|\n")
    rows = [ROW.fullmatch(line) for line in rest.partition("\n\n")[0].splitlines()]
    cells = [(row[1], row[2]) for row in rows if row]
    assert len(cells) == len(rows), "a row is not `VARIABLE` | `default` | meaning"
    assert len(cells) == len(dict(cells)), "a variable stands twice"
    return {name: default.strip("`") for name, default in cells}


def settings(settings_class: type[BaseModel]) -> dict[str, str]:
    """Give each variable of a settings class with its default as one would write it."""
    return {
        name.upper(): "" if field.is_required() else written(field.default)
        for name, field in settings_class.model_fields.items()
    }


def written(default: object) -> str:
    """Write a default as it would stand in the environment; nothing for None and an empty text."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    return "" if default is None else str(default)


def settings_class(service: Distribution) -> type[BaseSettings]:
    """Find the one class that a service's settings.py defines."""
    module = importlib.import_module(f"{service.package}.settings")
    (found,) = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, BaseSettings)
        and value.__module__ == module.__name__
    ]
    return found


@services
def test_the_readme_lists_every_variable_with_its_default(service: Distribution) -> None:
    readme = (service.path / "README.md").read_text("utf-8")

    assert table(readme) == settings(settings_class(service))


@services
def test_every_variable_says_what_it_means(service: Distribution) -> None:
    fields = settings_class(service).model_fields

    assert not [name for name, field in fields.items() if not field.description]


@services
def test_a_secret_has_no_default(service: Distribution) -> None:
    defaults = settings(settings_class(service))

    assert not [name for name in defaults if SECRET.search(name) and defaults[name]]


README = """
| reason | when | what to do |
|---|---|---|
| `TRUNCATED` | always | nothing |

| variable | default | meaning |
|---|---|---|
| `NEEDED` | | what for |
| `SECONDS` | `2.5` | how long |

The end.
"""


def test_a_difference_is_seen() -> None:
    class Example(BaseModel):
        needed: str
        seconds: float = 1.5

    assert settings(Example) == {"NEEDED": "", "SECONDS": "1.5"}
    assert table(README) == {"NEEDED": "", "SECONDS": "2.5"}
