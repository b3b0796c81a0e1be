"""What a service says when its environment is wrong."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr

from tonearm_chassis.kafka_settings import KafkaSettings
from tonearm_chassis.settings import EX_CONFIG, ServiceSettings, load_settings


class Settings(ServiceSettings):
    """The settings of some service."""

    smtp_password: SecretStr = Field(min_length=12)
    slots: int = 1
    weights: tuple[int, ...] = ()


@pytest.fixture(autouse=True)
def _right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "correct horse battery")


def refusal(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Fail to load the settings; give what was said about it."""
    with pytest.raises(SystemExit) as caught:
        load_settings(Settings)
    assert caught.value.code == EX_CONFIG == 78
    return capsys.readouterr().err.splitlines()


def test_everything_but_secrets_has_a_default() -> None:
    settings = load_settings(Settings)

    assert settings.grpc_address == "0.0.0.0:50051"
    assert settings.drain_seconds == 10


def test_all_problems_are_named_at_once_and_by_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SMTP_PASSWORD")
    monkeypatch.setenv("GRPC_ADDRESS", "localhost")
    monkeypatch.setenv("METRICS_ADDRESS", "localhost:65536")
    monkeypatch.setenv("LOG_LEVEL", "chatty")
    monkeypatch.setenv("DRAIN_SECONDS", "-1")
    monkeypatch.setenv("SLOTS", "many")

    lines = refusal(capsys)

    assert sorted(line.partition(":")[0] for line in lines) == [
        "DRAIN_SECONDS",
        "GRPC_ADDRESS",
        "LOG_LEVEL",
        "METRICS_ADDRESS",
        "SLOTS",
        "SMTP_PASSWORD",
    ]


@pytest.mark.parametrize("variable", ["SMTP_PASSWORD", "SLOTS", "GRPC_ADDRESS", "WEIGHTS"])
def test_a_wrong_value_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    monkeypatch.setenv(variable, "hunter2")

    lines = refusal(capsys)

    assert len(lines) == 1
    assert variable in lines[0].upper()
    assert "hunter2" not in lines[0]


def test_an_empty_variable_counts_as_unset(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRAIN_SECONDS", "")
    assert load_settings(Settings).drain_seconds == 10

    monkeypatch.setenv("SMTP_PASSWORD", "")
    assert refusal(capsys) == ["SMTP_PASSWORD: Field required"]


@pytest.mark.parametrize("address", ["[::1]:50051", "auth:0", "10.0.0.1:65535"])
def test_an_address_is_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("GRPC_ADDRESS", address)

    assert load_settings(Settings).grpc_address == address


def test_several_brokers_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "a:9092,b:9092")

    options = load_settings(KafkaSettings).kafka().client_options()

    assert options["bootstrap_servers"] == ["a:9092", "b:9092"]
