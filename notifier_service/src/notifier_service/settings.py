"""What the notifier is told by its environment."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address as MailAddress
from email.utils import parseaddr
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from tonearm_chassis.kafka_settings import KafkaSettings
from tonearm_chassis.settings import Address


def _sender(text: str) -> str:
    try:
        domain = MailAddress(addr_spec=parseaddr(text)[1]).domain
    except (ValueError, IndexError, HeaderParseError):
        domain = ""
    if not domain or not text.isascii() or not text.isprintable():
        raise ValueError("must be NAME@DOMAIN or Display Name <NAME@DOMAIN>, in ASCII")
    return text


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an http or https URL without query and fragment")
    return text.rstrip("/")


def _hosts(text: str) -> str:
    for host in text.split(","):
        if host and (host != host.strip().lower() or "/" in host):
            raise ValueError("must be host names or addresses in lower case: NAME,NAME")
    return text


class Settings(KafkaSettings):
    """The settings of the notifier."""

    mongodb_uri: SecretStr = Field(description="where deliveries are kept (database `notifier`)")
    smtp_address: Address = Field(description="the mail server that takes the mail, host:port")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="how the connection to it is protected: none, starttls or tls"
    )
    smtp_username: str = Field("", description="the name to log in with; empty: no login")
    smtp_password: SecretStr = Field(SecretStr(""), description="the password to log in with")
    smtp_timeout_seconds: float = Field(
        30.0, gt=0, le=600, description="how long handing over one mail may take"
    )
    mail_from: Annotated[str, AfterValidator(_sender)] = Field(
        description="the sender of every mail: `name@domain` or `Display Name <name@domain>`"
    )
    public_url: Annotated[str, AfterValidator(_public_url)] = Field(
        description="where people reach Tonearm; links in mails begin with it"
    )
    notify_give_up_hours: float = Field(
        72.0, gt=0, description="how long a notice is tried again before it is given up"
    )
    notify_mails_at_once: int = Field(
        4, ge=1, le=64, description="how many mails are handed over at the same time"
    )
    notify_webhooks_at_once: int = Field(
        16, ge=1, le=256, description="how many webhooks are told at the same time"
    )
    webhooks_per_account: int = Field(
        5, ge=0, le=100, description="how many webhooks an account can have"
    )
    webhook_timeout_seconds: float = Field(
        15.0, gt=0, le=60, description="how long one request to a webhook may take, all in all"
    )
    webhook_insecure_hosts: Annotated[str, AfterValidator(_hosts)] = Field(
        "",
        description="hosts that webhooks may reach without TLS and at private addresses: for tests",
    )
    lease_seconds: float = Field(
        15.0,
        gt=0,
        le=3600,
        description="how long after the death of a notifier its notices are another's",
    )
    tombstone_days: float = Field(
        14.0, gt=0, description="how long the id of a deleted conversion is remembered"
    )
    sweep_seconds: float = Field(
        60.0, gt=0, description="how often what is remembered long enough is looked for"
    )
    auth_address: Address = Field(description="the auth service's gRPC, for the keys of tokens")
    token_issuer: str = Field("tonearm", description="the `iss` of tokens")
    token_audience: str = Field("tonearm", description="the `aud` of tokens")

    def insecure_hosts(self) -> frozenset[str]:
        """List the hosts that need no TLS."""
        return frozenset(host for host in self.webhook_insecure_hosts.split(",") if host)

    @field_validator("smtp_password")
    @classmethod
    def _goes_with_a_name_and_protected(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if bool(value.get_secret_value()) != bool(info.data.get("smtp_username")):
            raise ValueError("must be set if and only if SMTP_USERNAME is")
        if value.get_secret_value() and info.data.get("smtp_security") == "none":
            raise ValueError("would travel in clear: set SMTP_SECURITY to starttls or tls")
        return value
