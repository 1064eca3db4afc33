"""``./aio bench faults``: 500 jobs a fault, all at once, and how many of them were lost.

No measurement but a proof: see ``fault_matrix.py``. It fails where a job is lost, or an answer
wrong.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.fault_matrix import FAULTS, FULL_DISK, NO_DNS, Row, endure, standing


def main(arguments: Sequence[str]) -> None:
    """Run all faults; '--json' ends in one line of JSON."""
    rows = asyncio.run(_all(Console(stderr=True)))
    table = Table()
    for name in ("fault", "jobs", "lost", "wrong", "failed tries", "seconds", "memory, MB"):
        table.add_column(name, justify="left" if name == "fault" else "right")
    for row in rows:
        counts = (row.jobs, len(row.lost), len(row.wrong), row.tries)
        table.add_row(row.name, *map(str, counts), f"{row.seconds:.1f}", f"{row.memory_mb:.0f}")
    Console(width=110).print(table)
    if "--json" in arguments:
        print(json.dumps([dataclasses.asdict(row) for row in rows]))  # asked for
    if any(row.lost or row.wrong for row in rows):
        raise SystemExit(1)


async def _all(console: Console) -> list[Row]:
    rows = []
    async with standing() as stand:
        for fault in FAULTS:
            console.print(f"{fault.name} …")
            rows.append(await endure(stand, fault))
    async with standing(npu="http://npu.invalid:8060") as stand:
        rows.append(await endure(stand, NO_DNS))
    async with standing(small_disk=True) as stand:
        rows.append(await endure(stand, FULL_DISK, 100))
    for row in rows:
        for told in (*row.lost[:3], *row.wrong[:3]):
            console.print(f"{row.name}: {told}")
    return rows
