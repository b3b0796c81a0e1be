"""Page through lists (AIP-158): sizes, and tokens that are good for one list only."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

from notifier_service.domain import InvalidPageSize, InvalidPageToken, Position

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
LONGEST_TOKEN = 400


def checked_size(page_size: int) -> int:
    """Tell how many entries a page gets; raises `InvalidPageSize`."""
    if page_size < 0:
        raise InvalidPageSize("page_size must not be negative")
    return min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def binding_of(*arguments: str) -> str:
    """Tell lists apart, so that a token of one is no token of another."""
    return hashlib.sha256("\n".join(arguments).encode()).hexdigest()[:16]


def token_of(last: Position, binding: str) -> str:
    """Write the token of the page behind a position."""
    text = json.dumps([binding, last.requested_at.isoformat(), last.key])
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position_of(token: str, binding: str) -> Position:
    """Read a token; raises `InvalidPageToken` unless this list gave it."""
    if len(token) > LONGEST_TOKEN:
        raise InvalidPageToken("page_token is not one that this list gave")
    try:
        padded = token + "=" * (-len(token) % 4)
        bound, moment, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        str(key).encode()  # half of a surrogate pair is JSON and yet no text
        position = Position(datetime.fromisoformat(moment), str(key))
        position.requested_at.astimezone(UTC)  # the year 0 is none that a store could compare
    except (ValueError, TypeError, OverflowError):
        raise InvalidPageToken("page_token is not one that this list gave") from None
    if bound != binding or position.requested_at.tzinfo is None:
        raise InvalidPageToken("page_token belongs to a list with other arguments")
    return position
