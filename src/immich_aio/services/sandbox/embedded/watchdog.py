"""Runs a server, and stops it as soon as whoever started this has gone, in whatever way.

    python -I -S watchdog.py SIGNAL USER COMMAND…

A script of its own, with the standard library alone. Its standard input is a pipe whose other end
the sandbox holds: the kernel closes that end when the sandbox ends, also by SIGKILL. The server is
then asked to end with SIGNAL, and killed when it has not after ten seconds. USER is whom the server
runs as, or ``-`` for whoever we are.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

PATIENCE = 10
"""Seconds that a server may take to end."""
_PR_SET_PDEATHSIG = 1


def main(number: int, user: str, command: list[str]) -> int:
    """The server's exit status."""

    def end_with_parent() -> None:
        # Should this script itself be killed. Only Linux has it; elsewhere the sandbox notices.
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)

    account = {} if user == "-" else {"user": user, "group": _group(user), "extra_groups": []}
    server: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # the sandbox's own command
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=end_with_parent,  # noqa: PLW1509  # no thread runs yet
        **account,  # type: ignore[call-overload]
    )

    def stop(*_: object) -> None:
        threading.Thread(target=_stop, args=(server, number), daemon=True).start()

    for received in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(received, stop)
    threading.Thread(target=_when_abandoned, args=(stop,), daemon=True).start()
    return server.wait()


def _when_abandoned(stop: Callable[[], None]) -> None:
    """Wait for the end of our standard input; ``os.read`` holds no lock when the script ends."""
    while os.read(0, 1):
        pass
    stop()


def _stop(server: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        server.send_signal(number)
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()


def _group(user: str) -> int:
    import pwd  # noqa: PLC0415  # not on Windows

    return pwd.getpwnam(user).pw_gid


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
