"""Refuse this process, and all that it starts, the system calls that it has no use for.

Seccomp as in the kernel's Documentation/userspace-api/seccomp_filter.rst: a program in classic BPF
that sees number, architecture and arguments of each call. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from converter_service.adapters.cage import calls

PR_SET_SECCOMP = 22
PR_SET_PDEATHSIG = 1
MODE_FILTER = 2
SIGKILL = 9  # on every architecture; the module `signal` takes a quarter of the time to start

LOAD, AND = 0x20, 0x54  # BPF_LD | BPF_W | BPF_ABS, BPF_ALU | BPF_AND | BPF_K
EQUAL, NOT_LESS, ANY_BIT, RETURN = 0x15, 0x35, 0x45, 0x06

# Offsets in `struct seccomp_data`.
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
DENY, UNKNOWN = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS

# CLONE_NEW NS, CGROUP, UTS, IPC, USER, PID, NET.
NAMESPACES = 0x7E020000
AF_UNIX, SOCK_STREAM, SOCKET_TYPE = 1, 1, 0xF

Instruction = tuple[int, int, int, int]


class Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse() -> None:
    """Install the filter, for good; needs no_new_privs.

    Raises `OSError` if the kernel cannot, or if this architecture's calls are not known.
    """
    machine = os.uname().machine
    if machine not in AUDIT_ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"seccomp: {machine} is not known")
    instructions = b"".join(struct.pack("=HBBI", *each) for each in program(machine))
    filter_program = Program(len(instructions) // 8, instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filter_program), 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"seccomp: {os.strerror(code)}")


def program(machine: str) -> list[Instruction]:
    """Write the filter for an architecture: (code, jump if true, jump if false, operand)."""
    return [
        _load(ARCHITECTURE),
        *_unless(EQUAL, AUDIT_ARCHITECTURES[machine], KILL),
        _load(NUMBER),
        *_when(NOT_LESS, X32_BIT, KILL),
        *_when(NOT_LESS, calls.LAST_KNOWN + 1, UNKNOWN),
        *_each(calls.UNKNOWN, machine, [_return(UNKNOWN)]),
        *_each(calls.DENIED, machine, [_return(DENY)]),
        *_each(calls.CLONE, machine, [_argument(0), *_when(ANY_BIT, NAMESPACES, DENY), _ALLOW]),
        *_each(calls.PRCTL, machine, _keeping_the_death_signal()),
        *_each(calls.SOCKETPAIR, machine, _connected_to_oneself()),
        *(
            instruction
            for call, halves in calls.OF_THE_CALLER.items()
            for instruction in _each(call, machine, _all_zero(halves))
        ),
        _ALLOW,
    ]


def _keeping_the_death_signal() -> list[Instruction]:
    """Let a process say that its parent's death kills it, and not the contrary."""
    return [
        _argument(0),
        *_unless(EQUAL, PR_SET_PDEATHSIG, ALLOW),
        _argument(1),
        *_unless(EQUAL, SIGKILL, DENY),
        _ALLOW,
    ]


def _connected_to_oneself() -> list[Instruction]:
    """Let Python's event loop have its pair of streams; datagrams could be sent to others."""
    return [
        _argument(0),
        *_unless(EQUAL, AF_UNIX, DENY),
        _argument(1),
        (AND, 0, 0, SOCKET_TYPE),
        *_unless(EQUAL, SOCK_STREAM, DENY),
        _ALLOW,
    ]


def _all_zero(halves: tuple[int, ...]) -> list[Instruction]:
    return [
        *(
            instruction
            for half in halves
            for instruction in (_load(ARGUMENTS + 4 * half), *_unless(EQUAL, 0, DENY))
        ),
        _ALLOW,
    ]


def _each(table: str, machine: str, then: list[Instruction]) -> list[Instruction]:
    """Do `then`, which ends in a return, for each call of the table."""
    return [
        instruction
        for number in calls.numbers(table, machine)
        for instruction in ((EQUAL, 0, len(then), number), *then)
    ]


def _load(offset: int) -> Instruction:
    return (LOAD, 0, 0, offset)


def _argument(index: int) -> Instruction:
    """Load the lower half, little-endian; ids, flags and types of calls have no upper one."""
    return _load(ARGUMENTS + 8 * index)


def _return(action: int) -> Instruction:
    return (RETURN, 0, 0, action)


def _when(comparison: int, operand: int, action: int) -> list[Instruction]:
    return [(comparison, 0, 1, operand), _return(action)]


def _unless(comparison: int, operand: int, action: int) -> list[Instruction]:
    return [(comparison, 1, 0, operand), _return(action)]


_ALLOW = _return(ALLOW)
