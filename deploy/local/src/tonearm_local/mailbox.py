"""A mail server that delivers everything into one folder, a file a mail, for people to look into.

python -m tonearm_local.mailbox --address 127.0.0.1:2525 --folder DIRECTORY
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

MAX_BYTES = 32 * 1024 * 1024


class FolderDelivery:
    """Writes every mail into a folder as it came, named after the moment of its arrival."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(  # noqa: N802 - aiosmtpd names its hooks after SMTP's commands
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail; whoever looks into the folder sees it whole or not at all."""
        content = envelope.original_content or b""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}.eml"
        draft = self._folder / f".{name}"
        draft.write_bytes(content)
        draft.rename(self._folder / name)
        return "250 Delivered"


async def serve(host: str, port: int, folder: Path) -> None:
    """Receive mail until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await loop.create_server(
        lambda: SMTP(
            FolderDelivery(folder),
            hostname="localhost",
            ident="Tonearm mailbox",
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            loop=loop,
        ),
        host,
        port,
    )
    print(f"mailbox: listening on {host}:{port}, delivering to {folder}", flush=True)
    await stopped.wait()
    server.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(description="Deliver all mail into one folder.")
    parser.add_argument("--address", required=True, help="host:port to listen on")
    parser.add_argument("--folder", required=True, type=Path, help="where mails are laid down")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    host, _, port = options.address.rpartition(":")
    asyncio.run(serve(host, int(port), options.folder))


if __name__ == "__main__":
    main()
