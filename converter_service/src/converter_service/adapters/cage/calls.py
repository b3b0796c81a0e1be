"""The system calls that a caged program has no use for: name, number on x86-64, on AArch64.

Numbers are those of the kernel's unistd headers; a dash where an architecture has no such call.
"""

from __future__ import annotations

ARCHITECTURES = ("x86_64", "aarch64")

DENIED = (
    # Reaching anybody. io_uring makes sockets, and much else, past every filter.
    "socket 41 198, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242, "
    "io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, "
    # Sharing memory and messages by name or number, which no rule for files covers.
    "shmget 29 194, shmctl 31 195, shmat 30 196, semget 64 190, semctl 66 191, semop 65 193, "
    "semtimedop 220 192, msgget 68 186, msgctl 71 187, msgrcv 70 188, msgsnd 69 189, "
    "mq_open 240 180, mq_unlink 241 181, "
    # Looking into others, and meddling with them.
    "ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272, "
    "pidfd_getfd 438 438, process_madvise 440 440, process_mrelease 448 448, "
    "migrate_pages 256 238, move_pages 279 239, ioprio_set 251 30, "
    "inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27, "
    # Leaving the process group, which is killed as a whole.
    "setsid 112 157, setpgid 109 154, "
    # Another view of the system.
    "unshare 272 97, setns 308 268, mount 165 40, umount2 166 39, pivot_root 155 41, "
    "chroot 161 51, open_tree 428 428, move_mount 429 429, fsopen 430 430, fsconfig 431 431, "
    "fsmount 432 432, fspick 433 433, mount_setattr 442 442, "
    # What Landlock leaves to the owner of a file: its mode, owner, times, attributes. Handles
    # open files past their path. Early versions do not know truncation.
    "chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, fchown 93 55, "
    "lchown 94 -, fchownat 260 54, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88, "
    "setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, "
    "fremovexattr 199 16, truncate 76 45, name_to_handle_at 303 264, open_by_handle_at 304 265, "
    # Links, pipes and devices in the scratch directory would be followed by the service.
    "link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36, mknod 133 -, mknodat 259 33, "
    # Parts of the kernel with a history of holes, or that outlive the caller.
    "bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, keyctl 250 219, "
    "add_key 248 217, request_key 249 218, fanotify_init 300 262, memfd_secret 447 447, "
    "modify_ldt 154 -, personality 135 92, lookup_dcookie 212 18, "
    # The limits, and the machine itself, in case the service runs as root.
    "setrlimit 160 164, "
    "kexec_load 246 104, kexec_file_load 320 294, init_module 175 105, finit_module 313 273, "
    "delete_module 176 106, reboot 169 142, swapon 167 224, swapoff 168 225, acct 163 89, "
    "quotactl 179 60, quotactl_fd 443 443, syslog 103 116, sethostname 170 161, "
    "setdomainname 171 162, settimeofday 164 170, clock_settime 227 112, clock_adjtime 305 266, "
    "adjtimex 159 171, vhangup 153 58, iopl 172 -, ioperm 173 -, lsm_set_self_attr 460 460"
)

# Their arguments lie in memory, where a filter cannot look. Who hears "no such call" uses clone
# and openat, as on an old kernel.
UNKNOWN = "clone3 435 435, openat2 437 437"
# What kernels learnt after this list was written: extended attributes by directory, and whatever
# comes. The last number that is known is mseal's.
LAST_KNOWN = 462

# Only for the caller itself: the halves of arguments, counted from the first's lower one, that must
# be 0. They say whose; and of prlimit64 the third argument, new limits, which root could raise.
OF_THE_CALLER = {
    "prlimit64 302 261": (0, 4, 5),
    "sched_setaffinity 203 122": (0,),
    "sched_setscheduler 144 119": (0,),
    "sched_setparam 142 118": (0,),
    "sched_setattr 314 274": (0,),
    "setpriority 141 140": (0, 2),
}

CLONE = "clone 56 220"
PRCTL = "prctl 157 167"
SOCKETPAIR = "socketpair 53 199"


def numbers(table: str, machine: str) -> list[int]:
    """Read the numbers of an architecture out of a table."""
    column = 1 + ARCHITECTURES.index(machine)
    found = [call.split()[column] for call in table.split(",")]
    return [int(number) for number in found if number != "-"]
