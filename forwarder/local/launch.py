"""Becomes another program, which runs as `nobody` where we are root, and is ended by the kernel when we end.

``python launch.py PROGRAM ARGUMENT...``: this is a file to run, not to import. uvloop can start a process neither as another user nor with
a hook between fork and exec; and that other user may not be able to read this package.
"""

import ctypes
import os
import pwd
import signal
import sys

UNPRIVILEGED_USER = "nobody"
_PR_SET_PDEATHSIG = 1


def launch(program: list[str]) -> None:
    """Replace this process by the program: PostgreSQL refuses to run as root."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    if sys.platform == "linux":
        # Has the kernel end the program when its parent is gone: one that is killed cannot do that itself. Set after the change of user,
        # which would clear it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
    os.execv(program[0], program)


if __name__ == "__main__":
    launch(sys.argv[1:])
