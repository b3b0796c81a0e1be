"""What the environment may say, and what is refused before anything starts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from notifier_service.settings import Settings
from tonearm_chassis.settings import problems

NEEDED = {
    "MONGODB_URI": "mongodb://mongo",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "SMTP_ADDRESS": "mail.example:587",
    "MAIL_FROM": "Tonearm <tonearm@mail.example>",
    "PUBLIC_URL": "https://tonearm.example/",
    "AUTH_ADDRESS": "auth:50051",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_defaults_protect_the_connection_and_give_up_after_three_days(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("LOG_LEVEL", "warning")

    settings = Settings()

    assert settings.smtp_security == "starttls"
    assert settings.notify_give_up_hours == 72
    assert settings.public_url == "https://tonearm.example"


def test_all_that_is_missing_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    for name in NEEDED:
        environment.delenv(name)

    with pytest.raises(ValidationError) as caught:
        Settings()

    assert {line.partition(":")[0] for line in problems(caught.value)} == set(NEEDED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "a@b\r\nBcc: eve@example.org"),
        ("PUBLIC_URL", "tonearm.example"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("PUBLIC_URL", "https://tonearm.example/?a=b"),
        ("SMTP_ADDRESS", "mail.example"),
        ("SMTP_SECURITY", "ssl"),
        ("SMTP_PASSWORD", "without a name"),
        ("NOTIFY_GIVE_UP_HOURS", "-1"),
        ("LEASE_SECONDS", "-15"),
        ("TOMBSTONE_DAYS", "-14"),
    ],
)
def test_what_cannot_work_is_refused_without_repeating_it(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(ValidationError) as caught:
        Settings()

    (line,) = problems(caught.value)
    assert line.startswith(f"{name}: ")
    assert value not in line


def test_a_password_never_travels_in_clear(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SMTP_USERNAME", "tonearm")
    environment.setenv("SMTP_PASSWORD", "correct horse")
    environment.setenv("SMTP_SECURITY", "none")

    with pytest.raises(ValidationError, match="would travel in clear"):
        Settings()


def test_nobody_is_reached_without_tls_unless_it_is_said(
    environment: pytest.MonkeyPatch,
) -> None:
    default = Settings().insecure_hosts()
    environment.setenv("WEBHOOK_INSECURE_HOSTS", "127.0.0.1,localhost")

    assert default == frozenset()
    assert Settings().insecure_hosts() == {"127.0.0.1", "localhost"}


@pytest.mark.parametrize("hosts", ["127.0.0.1, localhost", "Localhost", "http://localhost"])
def test_hosts_that_no_url_could_name_are_refused(
    environment: pytest.MonkeyPatch, hosts: str
) -> None:
    environment.setenv("WEBHOOK_INSECURE_HOSTS", hosts)

    with pytest.raises(ValidationError):
        Settings()
