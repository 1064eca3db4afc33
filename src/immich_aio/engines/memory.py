"""Giving memory back to the operating system, and where that costs too much, keeping some."""

from __future__ import annotations

import ctypes
import gc
import sys

_MIB = 1024 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h


def trim_memory() -> None:
    """Free what Python holds in cycles, and return free pages to the system."""
    gc.collect()
    return_free_pages()


def return_free_pages() -> None:
    """Have glibc return its free pages to the system. Other threads run meanwhile."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:  # musl has no malloc_trim, and no need of it
        return


def keep_freed_memory() -> None:
    """Have glibc keep a little of what is freed, for a process through which many bodies pass.

    It otherwise takes every body's pages from the system anew, which zeroes them: a third of what
    relaying a photo costs. Larger pieces go back as before.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return
    for option, size in ((_M_TRIM_THRESHOLD, 32 * _MIB), (_M_MMAP_THRESHOLD, 4 * _MIB)):
        mallopt(option, size)
