"""A real SMTP server in this process, which keeps its mail or refuses it as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
USER = ("tonearm", "correct horse")


class Mailbox:
    """An aiosmtpd handler that keeps what it is sent."""

    def __init__(self) -> None:
        """Begin empty and willing."""
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.reply_to_recipient = ""
        self.reply_to_mail = ""
        self.hangs = False
        self.address = ""
        self.logins: list[bytes] = []

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails that were taken."""
        return [message_from_bytes(raw, policy=default) for raw in self.raw]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take or refuse a recipient."""
        if self.hangs:
            await asyncio.sleep(60)
        if self.reply_to_recipient:
            return self.reply_to_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take or refuse a mail."""
        if self.reply_to_mail:
            return self.reply_to_mail
        self.raw.append(envelope.original_content or b"")
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def log_in(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: object
    ) -> AuthResult:
        """Let the one user in."""
        assert isinstance(login, LoginPassword)
        self.logins.append(login.login)
        known = (login.login.decode(), login.password.decode()) == USER
        return AuthResult(success=known, handled=False)


class Connection(SMTP):
    """One client's connection, which tells when it is over."""

    def __init__(self, mailbox: Mailbox, starttls: ssl.SSLContext | None, *, login: bool) -> None:
        """Serve `mailbox`."""
        super().__init__(
            mailbox,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=login,
            authenticator=mailbox.log_in if login else None,
        )
        self.lost = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the client is gone."""
        super().connection_lost(error)
        self.lost.set()


@asynccontextmanager
async def smtp_server(
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
) -> AsyncIterator[Mailbox]:
    """Serve SMTP on a free port; `mailbox.address` says where."""
    mailbox = Mailbox()

    connections: list[Connection] = []

    def connect() -> Connection:
        connection = Connection(mailbox, starttls, login=login)
        connections.append(connection)
        return connection

    server = await asyncio.get_running_loop().create_server(connect, HOST, 0, ssl=tls)
    mailbox.address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield mailbox
    finally:
        server.close()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.close()
            # A connection whose TLS never came about is lost without a word.
            with suppress(TimeoutError):
                await asyncio.wait_for(connection.lost.wait(), 0.2)
        await server.wait_closed()


def tls_contexts(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a server's context with a fresh certificate, and a client's that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address(HOST)), x509.DNSName("hooks.example")]
            ),
            critical=False,
        )
        .sign(key, SHA256())
    )
    file = directory / "server.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cafile=str(file))
    return server, client
