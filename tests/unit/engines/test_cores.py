"""How many cores this process may use, and what the CPU can do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from immich_aio.engines import cores

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum
flags\t\t: fpu avx512f amx_bf16 amx_tile

processor\t: 1
vendor_id\t: AuthenticAMD
flags\t\t: fpu
"""


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the cgroup file systems, on a machine of eight cores."""
    monkeypatch.setattr(cores, "_CGROUP_V2", tmp_path / "cpu.max")
    monkeypatch.setattr(cores, "_CGROUP_V1", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)
    return tmp_path


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes what stands in place of /proc/cpuinfo; before, there is none."""
    cached = (cores.cpu_flags, cores.cpu_vendor, cores._cpuinfo)
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(cores, "_CPUINFO", file)
    for function in cached:
        function.cache_clear()

    def write(text: str) -> None:
        file.write_text(text)

    yield write
    for function in cached:
        function.cache_clear()


def v1(folder: Path, quota: str, period: str = "100000") -> None:
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text(period)


@pytest.mark.usefixtures("cgroups")
def test_without_a_container_affinity_counts() -> None:
    assert cores.usable_cores() == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("5000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("nonsense", 8),
        ("", 8),
    ],
)
def test_the_quota_of_cgroup_v2_counts_rounded_up(cgroups: Path, text: str, expected: int) -> None:
    (cgroups / "cpu.max").write_text(text)
    assert cores.usable_cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3), ("50000", 1), ("x", 8)])
def test_the_quota_of_cgroup_v1_counts_rounded_up(cgroups: Path, quota: str, expected: int) -> None:
    v1(cgroups, quota)
    assert cores.usable_cores() == expected


def test_an_affinity_below_the_quota_counts(cgroups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cgroups / "cpu.max").write_text("400000 100000")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3}, raising=False)
    assert cores.usable_cores() == 1


@pytest.mark.usefixtures("cgroups")
@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_where_there_is_no_affinity_all_cores_count(
    monkeypatch: pytest.MonkeyPatch, count: int | None, expected: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert cores.usable_cores() == expected


def test_the_first_processor_speaks_for_all(cpuinfo: Callable[[str], None]) -> None:
    cpuinfo(CPUINFO)
    assert cores.cpu_flags() == {"fpu", "avx512f", "amx_bf16", "amx_tile"}
    assert cores.cpu_vendor() == "GenuineIntel"
    assert cores.cpu_name() == "Intel(R) Xeon(R) Platinum"


@pytest.mark.usefixtures("cpuinfo")
def test_where_nothing_can_be_read_nothing_is_claimed() -> None:
    assert cores.cpu_flags() == frozenset()
    assert cores.cpu_vendor() == ""
    assert cores.cpu_name() == "unknown CPU"


def test_an_arm_cpu_has_no_x86_flags(cpuinfo: Callable[[str], None]) -> None:
    cpuinfo("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert cores.cpu_flags() == frozenset()
    assert cores.cpu_vendor() == ""
