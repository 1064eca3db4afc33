"""A port for a server that must be told one."""

from __future__ import annotations

import contextlib
import secrets
import socket

LOWEST, BEYOND = 15_000, 32_000
"""Below what systems give to connections of their own (from 32,768 on Linux): between our look and
the server's start one of those could take it.
"""


def free_port() -> int:
    """A port of loopback on which nobody listens, drawn at random: others look for one as well."""
    while True:
        port = LOWEST + secrets.randbelow(BEYOND - LOWEST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
