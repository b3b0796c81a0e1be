"""Read the files that deploy Tonearm, and what the services say about themselves."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
KUBERNETES = ROOT / "deploy/kubernetes"
REAL = ROOT / "deploy/real"
ENVOY_IMAGE = ROOT / "deploy/envoy/Dockerfile"
SERVICES = ("auth", "gateway", "converter", "notifier")
MADE = {".build", ".tonearm", ".venv"}

INTERPOLATION = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile: its keyword and its words."""

    keyword: str
    words: tuple[str, ...]


def dockerfile(path: Path) -> list[Instruction]:
    """Read a Dockerfile; an instruction in JSON form gives the same words as in shell form."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", path.read_text("utf-8")))
    lines = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [
        Instruction(keyword, tuple(shlex.split(re.sub(r'^\[|\]$|(?<="),', "", rest.strip()))))
        for keyword, _, rest in lines
    ]


def dockerfiles() -> list[Path]:
    """List every Dockerfile of the repository, relative to its root."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("Dockerfile*"))
    return sorted(path for path in found if not MADE.intersection(path.parts))


def settings(service: str) -> type[BaseSettings]:
    """Import the settings of a service."""
    found: type[BaseSettings] = importlib.import_module(f"{service}_service.settings").Settings
    return found


def refused(service: str, environment: Mapping[str, str]) -> str:
    """Say why a service would not start with this environment; empty if it would."""
    unknown = environment.keys() - {name.upper() for name in settings(service).model_fields}
    if unknown:
        return f"not read by {service}: {', '.join(sorted(unknown))}"
    code = f"from {service}_service.settings import Settings; Settings()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **environment,
            "PYTHONPATH": f"{ROOT / f'{service}_service/src'}:{ROOT / 'chassis/src'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


def version(directory: str) -> str:
    """Give the version of a distribution."""
    project = tomllib.loads((ROOT / directory / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def kafka_version() -> str:
    """Give the version of Apache Kafka that tests run on."""
    pom = (REAL / "kafka/pom.xml").read_text("utf-8")
    found = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([^<]+)", pom)
    assert found
    return found[1]


def documents(path: Path) -> list[dict[str, Any]]:
    """Read all documents of a YAML file."""
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]


def env_file(path: Path) -> dict[str, str]:
    """Read NAME=value lines."""
    lines = path.read_text("utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def run(command: list[str | Path]) -> tuple[int, str]:
    """Run a command at the root; give its status and all that it said."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def tool(name: str) -> Path:
    """Give the path of a program of this Python environment."""
    return Path(sys.executable).parent / name


def lacking(part: str) -> NoReturn:
    """Skip a test for want of a real part; fail it where REQUIRE_REAL says that all are there."""
    reason = f"{part} is not installed: see deploy/real/README.md"
    if os.environ.get("REQUIRE_REAL"):
        pytest.fail(reason)
    pytest.skip(reason=reason)
