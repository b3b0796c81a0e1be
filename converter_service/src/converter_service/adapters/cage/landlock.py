"""Let this process, and all that it starts, reach only the files that it needs.

Landlock as in the kernel's Documentation/userspace-api/landlock.rst. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import stat

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # on every architecture
VERSION_FLAG = 1
PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIRECTORY, REMOVE_DIRECTORY, REMOVE_FILE = (
    1 << bit for bit in range(6)
)
MAKE_DIRECTORY, MAKE_FILE = 1 << 7, 1 << 8
REFER, TRUNCATE, DEVICE_CONTROL = 1 << 13, 1 << 14, 1 << 15
# What the kernels of each version can deny; what a later one adds is not asked for.
FILE_RIGHTS = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE, 5: DEVICE_CONTROL}
# From 4: bind and connect of TCP. From 6: abstract sockets of, and signals to, others.
NETWORK_RIGHTS, NETWORK_VERSION = 0b11, 4
SCOPES, SCOPES_VERSION = 0b11, 6

READ = EXECUTE | READ_FILE | READ_DIRECTORY
# Neither links nor pipes, sockets and devices: the service opens what it finds there afterwards.
# Nothing that lies there is executed either.
WRITE = (
    READ_FILE | READ_DIRECTORY | WRITE_FILE | TRUNCATE
    | MAKE_FILE | MAKE_DIRECTORY | REMOVE_FILE | REMOVE_DIRECTORY | REFER
)  # fmt: skip
# The others are refused on anything but directories.
OF_FILES = EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE | DEVICE_CONTROL


class RulesetAttributes(ctypes.Structure):
    """`struct landlock_ruleset_attr`; the kernel takes fields that it does not know if zero."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class PathAttributes(ctypes.Structure):
    """`struct landlock_path_beneath_attr`."""

    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


def restrict(readable: list[str], writable: list[str]) -> None:
    """Deny every file but these and what is below them, for good; needs no_new_privs.

    Skips what does not exist. Raises `OSError` if the kernel cannot.
    """
    version = kernel_version()
    handled = sum(rights for since, rights in FILE_RIGHTS.items() if since <= version)
    attributes = RulesetAttributes(
        handled,
        NETWORK_RIGHTS if version >= NETWORK_VERSION else 0,
        SCOPES if version >= SCOPES_VERSION else 0,
    )
    ruleset = _call(CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    for paths, rights in ((readable, READ), (writable, WRITE)):
        for path in paths:
            _allow(ruleset, path, rights & handled)
    _call(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def kernel_version() -> int:
    """Tell which version of Landlock the kernel has. Raises `OSError` if it has none."""
    return _call(CREATE_RULESET, None, 0, VERSION_FLAG)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        attributes = PathAttributes(rights if is_directory else rights & OF_FILES, descriptor)
        _call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(attributes), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return result
