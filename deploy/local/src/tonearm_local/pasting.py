"""Fill in the snippets that `up` prints: each can be pasted into a POSIX shell as it is."""

from __future__ import annotations

import shlex
import shutil
import string
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from tonearm_local import checkout
from tonearm_local.account import Account

NAMES = ("curl", "grpcurl", "python")


class SnippetTemplate(string.Template):
    """A template whose `@@{name}` neither shell, curl nor Python has a meaning for."""

    delimiter = "@@"


def snippet(name: str, *, url: str, account: Account, video: Path) -> str:
    """Fill in one snippet."""
    text = (resources.files(__package__) / "snippets" / f"{name}.sh").read_text(encoding="utf-8")
    return SnippetTemplate(text).substitute(_values(url, account, video))


def _values(url: str, account: Account, video: Path) -> Mapping[str, str]:
    return {
        "url": url,
        "address": url.removeprefix("http://"),
        "email": account.email,
        "password": account.password,
        "video": shlex.quote(str(video)),
        "video_literal": repr(str(video)),
        "python": shlex.quote(sys.executable),
        "grpcurl": shlex.quote(_grpcurl()),
    }


def _grpcurl() -> str:
    built = checkout.BUILT_PROGRAMS / "grpcurl"
    return str(built) if built.exists() and shutil.which("grpcurl") is None else "grpcurl"
