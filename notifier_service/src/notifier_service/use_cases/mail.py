"""Take notices to people: as letters."""

from __future__ import annotations

from notifier_service.domain import Delivery, NoticeDeferred
from notifier_service.letter import Letterhead, compose
from notifier_service.ports import Mailer
from tonearm_chassis.errors import Outage
from tonearm_chassis.logs import get_log

log = get_log(__name__)

UNREACHABLE = "the mail server could not be reached"


class MailMessenger:
    """A `Messenger` that writes letters; a repeat has the same Message-ID."""

    def __init__(self, mailer: Mailer, letterhead: Letterhead) -> None:
        """Hand letters to `mailer`."""
        self._mailer = mailer
        self._letterhead = letterhead

    async def send(self, delivery: Delivery) -> None:
        """Write the letter and hand it over."""
        letter = compose(delivery, self._letterhead)
        try:
            await self._mailer.send(letter)
        except Outage as outage:
            log.warning("mail_outage", cause=str(outage))
            raise NoticeDeferred(UNREACHABLE) from outage
