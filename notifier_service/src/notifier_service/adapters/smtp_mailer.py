"""Hand mail to a server over SMTP (RFC 5321)."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Literal

import aiosmtplib

from notifier_service.domain import NoticeDeferred, NoticeRefused
from notifier_service.letter import Letter, clean, domain_of
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

Security = Literal["none", "starttls", "tls"]

GOODBYE_SECONDS = 1.0
LONGEST_REPLY = 200
PERMANENT = 500
# One mailbox, unquoted: nothing that could end it, or begin another one, in a header or a command.
ADDRESS = re.compile(r"""[^\s@<>()[\]:;,\\"]{1,64}@[^\s@<>()[\]:;,\\"]{1,255}""")
NO_ADDRESS = "the address is not one that mail can be sent to"
NOT_READY = "the mail server does not take mail from this service at the moment"

# RFC 3463, section 3.8: X.7.Y is about policy. A relay that does not know us, or does not like us
# today, is for the operator to put right, and the mail is still there when that is done.
POLICY = re.compile(r"5\.7\.\d")


@dataclass(frozen=True, slots=True)
class SMTPAccess:
    """Where the mail server is and how to speak with it."""

    address: str
    security: Security = "starttls"
    username: str = ""
    password: str = ""
    timeout_seconds: float = 30.0
    tls: ssl.SSLContext | None = None
    """Whom to trust; None: the authorities that this machine trusts."""


class SMTPMailer:
    """A `Mailer` that makes a connection for each mail."""

    def __init__(self, access: SMTPAccess) -> None:
        """Prepare to send through the server that `access` names."""
        self._access = access

    async def send(self, letter: Letter) -> None:
        """Send a letter; the server has accepted it when this returns."""
        message = _message(letter)
        client = self._client(letter)
        try:
            async with asyncio.timeout(self._access.timeout_seconds):
                await client.connect()
                await client.send_message(message, recipients=[letter.recipient])
            # It is accepted: that the server hangs now must not send it again.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=GOODBYE_SECONDS)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            raise _verdict(refused.recipients[0]) from refused
        except aiosmtplib.SMTPDataError as refused:
            raise _verdict(refused) from refused
        except aiosmtplib.SMTPResponseException as refused:
            # Greeting, login or sender: none of it is about this mail. What the server says of our
            # own account is for the operator, and no recipient was named to it yet.
            log.warning(
                "smtp_not_ready", code=refused.code, cause=clean(refused.message, LONGEST_REPLY)
            )
            raise NoticeDeferred(NOT_READY) from refused
        except aiosmtplib.SMTPNotSupported as lacking:
            log.warning("smtp_not_supported", cause=str(lacking))
            raise NoticeDeferred(
                "the mail server lacks an extension that this mail needs"
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Outage(f"smtp: {type(error).__name__}") from error
        finally:
            client.close()

    def _client(self, letter: Letter) -> aiosmtplib.SMTP:
        host, _, port = self._access.address.rpartition(":")
        return aiosmtplib.SMTP(
            hostname=host.strip("[]"),
            port=int(port),
            # Asking DNS for the machine's own name may take seconds.
            local_hostname=domain_of(letter.sender),
            use_tls=self._access.security == "tls",
            start_tls=self._access.security == "starttls",
            tls_context=self._access.tls,
            username=self._access.username or None,
            password=self._access.password or None,
            timeout=self._access.timeout_seconds,
        )


def _message(letter: Letter) -> EmailMessage:
    if not ADDRESS.fullmatch(letter.recipient) or not letter.recipient.isprintable():
        raise NoticeRefused(NO_ADDRESS)
    message = EmailMessage(policy=SMTP_POLICY)
    user, _, domain = letter.recipient.partition("@")
    message["From"] = letter.sender
    message["To"] = Address(username=user, domain=domain)
    message["Subject"] = letter.subject
    message["Date"] = letter.date
    message["Message-ID"] = letter.message_id
    # RFC 3834, section 5: nobody on holiday answers this.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _verdict(reply: aiosmtplib.SMTPResponseException) -> NoticeRefused | NoticeDeferred:
    """Tell whether the server's refusal of this mail is its last word."""
    if reply.code < PERMANENT or POLICY.match(reply.message):
        return _deferral(reply)
    log.warning("smtp_refused", code=reply.code)
    return NoticeRefused(_words(reply))


def _deferral(reply: aiosmtplib.SMTPResponseException) -> NoticeDeferred:
    log.warning("smtp_deferred", code=reply.code)
    return NoticeDeferred(_words(reply))


def _words(reply: aiosmtplib.SMTPResponseException) -> str:
    # The text may name the recipient: it is for the owner and never for the log.
    return clean(f"the mail server answered {reply.code} {reply.message}", LONGEST_REPLY)
