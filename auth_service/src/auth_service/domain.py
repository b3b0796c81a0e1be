"""What an account is, what a good address and password are, and what is refused."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

AccountId = NewType("AccountId", str)
KeyId = NewType("KeyId", str)
PasswordHash = NewType("PasswordHash", str)

MAX_EMAIL_LENGTH = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
MIN_PASSWORD_LENGTH = 10
MAX_PASSWORD_LENGTH = 128  # enough for any passphrase; bounds what is hashed

# Deliberately loose: printable ASCII around one "@". Only a delivered mail proves an address.
EMAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+")


class Refusal(Exception):
    """Something the caller asked for that is not done; its text is for people."""


class InvalidEmail(Refusal):
    """The address cannot receive mail."""


class PasswordTooShort(Refusal):
    """The password is too easily guessed."""


class PasswordTooLong(Refusal):
    """The password is longer than anybody can need."""


class EmailTaken(Refusal):
    """The address has an account already."""


class InvalidRequestId(Refusal):
    """The id of the request is not one that nobody else will choose."""


class RequestIdReused(Refusal):
    """The id of the request was used for another address or password."""


class InvalidCredentials(Refusal):
    """No account has this address and this password."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may upload videos."""

    id: AccountId
    email: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair, both halves raw (RFC 8032)."""

    id: KeyId
    public: bytes
    private: bytes
    create_time: datetime

    def __repr__(self) -> str:
        """Show the key without its private half, for logs are read by many."""
        return f"SigningKey(id={self.id!r})"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token and how long it is good."""

    text: str
    seconds: int


def normal_email(text: str) -> str:
    """Give the one form under which an address is stored. Raises `InvalidEmail`."""
    email = text.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH or not EMAIL.fullmatch(email) or email.count("@") != 1:
        message = "give an e-mail address such as name@example.org"
        raise InvalidEmail(message)
    return email


def normal_request_id(text: str) -> str:
    """Write a request's id the one way that is compared; empty stays empty.

    Raises `InvalidRequestId`.
    """
    if not text:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        message = "request_id must be a UUID"
        raise InvalidRequestId(message) from None


def check_password(password: str) -> None:
    """Refuse a password that is too short or too long."""
    if len(password) < MIN_PASSWORD_LENGTH:
        message = f"a password needs at least {MIN_PASSWORD_LENGTH} characters"
        raise PasswordTooShort(message)
    if len(password) > MAX_PASSWORD_LENGTH:
        message = f"a password has at most {MAX_PASSWORD_LENGTH} characters"
        raise PasswordTooLong(message)
