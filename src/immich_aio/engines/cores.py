"""What the CPU is, and how much of it this process may use."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


def usable_cores() -> int:
    """Cores this process may use: its affinity, and its container's quota, at least one."""
    affinity = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _quota()
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


def _quota() -> float | None:
    """The container's share in cores, None where it is unlimited."""
    try:
        limit, period = _CGROUP_V2.read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit_us = int((_CGROUP_V1 / "cpu.cfs_quota_us").read_text())
        period_us = int((_CGROUP_V1 / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return limit_us / period_us if limit_us > 0 else None


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Feature flags as Linux names them (``amx_bf16`` …); empty where they cannot be read."""
    return frozenset(_cpuinfo().get("flags", "").split())


@functools.cache
def cpu_vendor() -> str:
    """``GenuineIntel``, ``AuthenticAMD`` … or an empty text where it cannot be read."""
    return _cpuinfo().get("vendor_id", "")


def cpu_name() -> str:
    """The CPU's name for people."""
    return _cpuinfo().get("model name", "unknown CPU")


@functools.cache
def _cpuinfo() -> dict[str, str]:
    try:
        first = _CPUINFO.read_text().split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}
