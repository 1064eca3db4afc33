"""Giving memory back to the operating system."""

from __future__ import annotations

import ctypes
import gc
import sys


def trim_memory() -> None:
    """Free what Python holds in cycles, and have glibc return its free pages to the system."""
    gc.collect()
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:  # musl has no malloc_trim, and no need of it
        return
