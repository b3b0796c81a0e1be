"""The customers' own server: it keeps what webhooks tell it, and sends some away at first."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from standardwebhooks import Webhook, WebhookVerificationError

from .history import Hook

BUSY_EACH = 7
"""So many requests, and the next one is told to come again in a second."""
PATIENCE_SECONDS = 10.0
OK, BUSY = 204, 503


class Endpoints:
    """A server in a thread of its own; each customer has a path there."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self._lock = threading.Lock()
        self._secrets: dict[str, str] = {}
        self._hooks: list[Hook] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Be closed at the end of a block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close."""
        self.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def hooks(self) -> list[Hook]:
        """All that came."""
        with self._lock:
            return list(self._hooks)

    def trust(self, path: str, secret: str) -> None:
        """Expect signatures with this secret there."""
        with self._lock:
            self._secrets[path] = secret

    def close(self) -> None:
        """Stop listening; a repeat does nothing."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Keep a request and give the status of its answer."""
        data = json.loads(body)["data"]
        with self._lock:
            taken = len(self._hooks) % BUSY_EACH != BUSY_EACH - 1
            hook = Hook(
                conversion_id=data["conversion_id"],
                webhook_id=headers.get("webhook-id", ""),
                outcome=data["state"],
                arrived=time.time(),
                reason=data["error_reason"],
                taken=taken,
                is_signed=_is_signed(self._secrets.get(path, ""), headers, body),
            )
            self._hooks.append(hook)
        return OK if taken else BUSY


def _is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    if not secret:
        return False
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def _handler(endpoints: Endpoints) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if len(body) != int(self.headers["content-length"]):
                return  # cut off on its way
            status = endpoints.take(self.path, headers, body)
            self.send_response(status)
            if status == BUSY:
                self.send_header("retry-after", "1")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
