"""What the scratch disk's refusals mean."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tonearm_chassis.errors import Outage, StorageFull

FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn errors of the file system into `StorageFull` or `Outage`; none is the video's fault."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in FULL else Outage
        # Not its text: that names files.
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise kind(f"scratch: {name}") from error
