"""The contract of `Mailer`, over the fake and over a real SMTP server; and SMTP's own ways."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from notifier_fakes import FakeMailer
from notifier_smtp import USER, Mailbox, smtp_server, tls_contexts

from notifier_service.adapters.smtp_mailer import SMTPAccess, SMTPMailer
from notifier_service.domain import NoticeDeferred, NoticeRefused
from notifier_service.letter import Letter
from notifier_service.ports import Mailer
from tonearm_chassis.errors import Outage

LETTER = Letter(
    sender="Tonearm <tonearm@mail.example>",
    recipient="ada@example.org",
    subject="Your MP3 is ready: Ferien in Köln 🎬.mp4",
    text="Your MP3 is ready: https://tonearm.example/#/conversions/1\n",
    html='<p>Your MP3 is ready: <a href="https://tonearm.example/#/conversions/1">here</a></p>\n',
    message_id="<00000000000000000000000000000001.mail@mail.example>",
    date=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)


class Recipient(Protocol):
    """The other side of a mailer."""

    def refuse(self) -> None: ...

    def defer(self) -> None: ...

    def go_away(self) -> None: ...

    def received(self) -> list[tuple[str, str]]:
        """Tell subject and Message-ID of every mail."""
        ...


class FakeRecipient:
    """What a `FakeMailer` kept."""

    def __init__(self, mailer: FakeMailer) -> None:
        self._mailer = mailer
        self.refuse = mailer.refuse
        self.defer = mailer.defer
        self.go_away = mailer.go_away

    def received(self) -> list[tuple[str, str]]:
        return [(letter.subject, letter.message_id) for letter in self._mailer.sent]


class SMTPRecipient:
    """What a real server took."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def refuse(self) -> None:
        self._mailbox.reply_to_recipient = "550 5.1.1 <ada@example.org>: no such user"

    def defer(self) -> None:
        self._mailbox.reply_to_recipient = "450 4.2.0 greylisted, try again"

    def go_away(self) -> None:
        self._mailbox.hangs = True

    def received(self) -> list[tuple[str, str]]:
        return [(str(mail["Subject"]), str(mail["Message-ID"])) for mail in self._mailbox.mails]


@dataclass(frozen=True, slots=True)
class Subject:
    """A mailer and the other side of it."""

    mailer: Mailer
    recipient: Recipient


@pytest.fixture(params=["fake", "smtp"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "fake":
        fake = FakeMailer()
        yield Subject(fake, FakeRecipient(fake))
        return
    async with smtp_server() as mailbox:
        mailer = SMTPMailer(SMTPAccess(mailbox.address, security="none", timeout_seconds=0.5))
        yield Subject(mailer, SMTPRecipient(mailbox))


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with smtp_server() as running:
        yield running


def plain(mailbox: Mailbox) -> SMTPMailer:
    return SMTPMailer(SMTPAccess(mailbox.address, security="none", timeout_seconds=5))


async def test_a_letter_that_was_sent_has_arrived(subject: Subject) -> None:
    await subject.mailer.send(LETTER)

    assert subject.recipient.received() == [(LETTER.subject, LETTER.message_id)]


async def test_a_repeat_arrives_with_the_same_message_id(subject: Subject) -> None:
    await subject.mailer.send(LETTER)
    await subject.mailer.send(LETTER)

    assert [key for _, key in subject.recipient.received()] == [LETTER.message_id] * 2


async def test_a_recipient_that_does_not_exist_is_a_refusal(subject: Subject) -> None:
    subject.recipient.refuse()

    with pytest.raises(NoticeRefused, match="550"):
        await subject.mailer.send(LETTER)


async def test_a_recipient_that_is_busy_is_a_deferral(subject: Subject) -> None:
    subject.recipient.defer()

    with pytest.raises(NoticeDeferred, match="450"):
        await subject.mailer.send(LETTER)


async def test_a_server_that_does_not_answer_is_an_outage(subject: Subject) -> None:
    subject.recipient.go_away()

    with pytest.raises(Outage):
        await subject.mailer.send(LETTER)


@pytest.mark.parametrize("address", ["", "ada", "ada@example.org\r\nBcc: eve@example.org", "a@b c"])
async def test_what_is_no_address_is_a_refusal(subject: Subject, address: str) -> None:
    with pytest.raises(NoticeRefused):
        await subject.mailer.send(replace(LETTER, recipient=address))

    assert subject.recipient.received() == []


async def test_the_mail_says_who_what_when_and_that_a_machine_wrote_it(mailbox: Mailbox) -> None:
    await plain(mailbox).send(LETTER)

    (mail,) = mailbox.mails
    assert str(mail["From"]) == "Tonearm <tonearm@mail.example>"
    assert str(mail["To"]) == "ada@example.org"
    assert str(mail["Date"]) == "Fri, 02 Jan 2026 03:04:05 +0000"
    assert str(mail["Auto-Submitted"]) == "auto-generated"
    assert mailbox.recipients == ["ada@example.org"]


async def test_the_mail_reads_the_same_as_text_and_as_a_page(mailbox: Mailbox) -> None:
    await plain(mailbox).send(LETTER)

    (mail,) = mailbox.mails
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert mail.get_content_type() == "multipart/alternative"
    assert text is not None
    assert text.get_content().splitlines() == LETTER.text.splitlines()
    assert page is not None
    assert page.get_content().splitlines() == LETTER.html.splitlines()


async def test_an_address_beyond_ascii_is_sent_as_it_is(mailbox: Mailbox) -> None:
    await plain(mailbox).send(replace(LETTER, recipient="jürgen@bücher.example"))

    assert mailbox.recipients == ["jürgen@bücher.example"]


@pytest.mark.parametrize("reply", ["552 5.2.2 mailbox full", "554 no"])
async def test_a_mail_that_is_refused_after_it_was_read_is_a_refusal(
    mailbox: Mailbox, reply: str
) -> None:
    mailbox.reply_to_mail = reply

    with pytest.raises(NoticeRefused, match=reply[:3]):
        await plain(mailbox).send(LETTER)


async def test_a_refusal_by_policy_is_only_a_deferral(mailbox: Mailbox) -> None:
    mailbox.reply_to_recipient = "554 5.7.1 relay access denied"

    with pytest.raises(NoticeDeferred, match="relay access denied"):
        await plain(mailbox).send(LETTER)


async def test_no_server_at_all_is_an_outage() -> None:
    mailer = SMTPMailer(SMTPAccess("127.0.0.1:9", security="none"))

    with pytest.raises(Outage):
        await mailer.send(LETTER)


async def test_a_server_that_hangs_after_it_took_the_mail_makes_no_second_one() -> None:
    taken: list[bytes] = []
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            if line == b"QUIT\r\n":
                break
            if line == b"DATA\r\n":
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"250 OK\r\n")
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await SMTPMailer(SMTPAccess(f"127.0.0.1:{port}", security="none")).send(LETTER)
        await gone.wait()

    assert len(taken) == 1


async def test_starttls_protects_the_login_and_the_mail(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)

    async with smtp_server(starttls=server, login=True) as mailbox:
        access = SMTPAccess(mailbox.address, username=USER[0], password=USER[1], tls=client)
        await SMTPMailer(access).send(LETTER)

    assert mailbox.logins == [b"tonearm"]
    assert len(mailbox.mails) == 1


async def test_tls_protects_the_connection_from_its_start(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)

    async with smtp_server(tls=server) as mailbox:
        await SMTPMailer(SMTPAccess(mailbox.address, security="tls", tls=client)).send(LETTER)

    assert len(mailbox.mails) == 1


async def test_a_wrong_password_is_a_deferral_because_the_operator_can_mend_it(
    tmp_path: Path,
) -> None:
    server, client = tls_contexts(tmp_path)

    async with smtp_server(starttls=server, login=True) as mailbox:
        access = SMTPAccess(mailbox.address, username=USER[0], password="wrong", tls=client)
        # Not the server's own words: owners read them, and they are about the operator's account.
        with pytest.raises(NoticeDeferred, match=r"^the mail server does not take mail from this"):
            await SMTPMailer(access).send(LETTER)

    assert mailbox.mails == []


async def test_a_server_that_nobody_vouches_for_gets_no_mail(tmp_path: Path) -> None:
    server, _ = tls_contexts(tmp_path)

    async with smtp_server(starttls=server) as mailbox:
        with pytest.raises(Outage):
            await SMTPMailer(SMTPAccess(mailbox.address)).send(LETTER)

    assert mailbox.mails == []


async def test_a_server_without_starttls_gets_no_mail_in_clear(mailbox: Mailbox) -> None:
    with pytest.raises((NoticeDeferred, Outage)):
        await SMTPMailer(SMTPAccess(mailbox.address, security="starttls")).send(LETTER)

    assert mailbox.mails == []


async def test_no_address_gets_into_the_log(
    mailbox: Mailbox, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, logger="notifier_service")
    mailbox.reply_to_recipient = "550 5.1.1 <ada@example.org>: no such user"

    with pytest.raises(NoticeRefused):
        await plain(mailbox).send(LETTER)

    logged = caplog.text + capsys.readouterr().out
    assert "smtp_refused" in logged
    assert "ada" not in logged
