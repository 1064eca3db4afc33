"""Jobs through a gateway whose backends fail: which were lost, and was every answer right?

The gateway and its backends are processes of their own. Two backends speak MT-Photos' protocol and
share OCR, CLIP and the faces of one pack; one speaks Immich's and has all other faces to itself, so
what fails there can only wait until it is well again.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil
from PIL import Image

from bench.stand_ins import SIZE, number_of, text_of, vector_of
from immich_aio.services.sandbox.embedded.free_port import free_port

JOBS = 500
BEFORE = 100
"""Answers after which the fault begins."""

TIMEOUT = 2
"""UPSTREAM_TIMEOUT, in seconds: what hangs is noticed in time."""

KIND = {"modelName": "PP-OCRv5_mobile"}
PACK, OTHER_PACK = {"modelName": "buffalo_l"}, {"modelName": "antelopev2"}
ENTRIES = {
    "ocr": {"ocr": {"detection": KIND, "recognition": KIND}},
    "clip": {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}},
    "text": {"clip": {"textual": {"modelName": "ViT-B-32__openai"}}},
    "shared faces": {"facial-recognition": {"detection": PACK, "recognition": PACK}},
    "faces": {"facial-recognition": {"detection": OTHER_PACK, "recognition": OTHER_PACK}},
    "both": {
        "ocr": {"detection": KIND, "recognition": KIND},
        "facial-recognition": {"detection": OTHER_PACK, "recognition": OTHER_PACK},
    },
}
MIX = ("ocr", "clip", "shared faces", "clip", "faces", "ocr", "clip", "both", "ocr", "text")
"""What jobs ask for, in turn."""


@dataclass
class Row:
    """What came of one fault."""

    name: str
    jobs: int = 0
    right: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tries: int = 0
    """Tries that failed and were made good."""
    seconds: float = 0.0
    memory_mb: float = 0.0
    """The gateway's resident memory afterwards, in MB (10⁶ bytes)."""


class Backend:
    """A stand-in in a process of its own, at a port that it keeps when it is started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "bench.stand_ins", str(self.port)]
        return subprocess.Popen(command, cwd=Path(__file__).parents[1])  # noqa: S603  # our own

    def kill(self) -> None:
        """End it as the kernel does when memory is out, or a person who pulls the plug."""
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Start it again, at the same port."""
        self.process = self._started()

    def pause(self) -> None:
        """Have it hang: its connections stay, and nothing comes."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End that."""
        self.process.send_signal(signal.SIGCONT)

    async def fail(self, session: aiohttp.ClientSession, fault: str) -> None:
        """Have it answer in the way of a fault from now on."""
        async with session.post(f"{self.url}/fault/{fault}") as response:
            response.raise_for_status()


@dataclass
class Stand:
    """A running gateway, its backends, and the process's log."""

    url: str
    process: subprocess.Popen[bytes]
    session: aiohttp.ClientSession
    npu: Backend
    nas: Backend
    immich: Backend

    @property
    def memory_mb(self) -> float:
        """Resident memory of the gateway, in MB."""
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    async def is_well(self) -> bool:
        """Whether every backend is reachable and may get work."""
        status = await self.status()
        return all(
            backend["reachable"] and all(lane["breaker"] != "open" for lane in backend["tasks"])
            for backend in status["backends"]
            if "invalid" not in backend["url"]
        )

    async def status(self) -> dict[str, list[dict[str, object]]]:
        """What the gateway says of itself."""
        async with self.session.get(f"{self.url}/status") as response:
            return await response.json()

    async def failed_tries(self) -> int:
        """How many tries have failed so far."""
        backends = (await self.status())["backends"]
        return sum(lane["failed"] for backend in backends for lane in backend["tasks"])  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def standing(*, npu: str = "", small_disk: bool = False) -> AsyncIterator[Stand]:
    """Start all; ``npu`` is another address for the first backend. With ``small_disk`` no file of
    the gateway's may have more than 64 KiB.
    """
    backends = [Backend() for _ in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "gateway.toml"
        config.write_text(_config(npu or backends[0].url, backends[1].url, backends[2].url))
        port = free_port()
        process = _gateway(port, config, small_disk=small_disk)
        connector = aiohttp.TCPConnector(limit=0)
        try:
            async with aiohttp.ClientSession(connector=connector) as session:
                stand = Stand(f"http://127.0.0.1:{port}", process, session, *backends)
                await _until(stand.is_well, "the gateway and its backends answer")
                yield stand
        finally:
            for one in (process, *(backend.process for backend in backends)):
                one.kill()
                one.wait()


MODELS = 'clip_model = "ViT-B-16", face_pack = "buffalo_l"'


def _config(npu: str, nas: str, immich: str) -> str:
    return f"""
        [backends]
        npu = {{ kind = "mt-photos", url = "{npu}", {MODELS} }}
        nas = {{ kind = "mt-photos", url = "{nas}", {MODELS} }}
        immich = {{ kind = "immich", url = "{immich}" }}
        [[routes]]
        task = "ocr"
        order = [["npu", "nas"]]
        [[routes]]
        task = "clip"
        order = [["npu", "nas"]]
        [[routes]]
        task = "facial-recognition"
        model = "buffalo_l"
        order = [["npu", "nas"]]
        [[routes]]
        order = ["immich"]
    """


def _gateway(port: int, config: Path, *, small_disk: bool) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "GATEWAY_CONFIG": str(config),
        "UPSTREAM_TIMEOUT": str(TIMEOUT),
        "QUERY_WAIT": "30",
        "TEXT_CACHE": "0",
        "LOG_LEVEL": "error",
    }
    before = (
        (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536)))
        if small_disk
        else None
    )
    return subprocess.Popen(  # our own tool
        [sys.executable, "-m", "immich_aio", "serve", "--roles", "gateway"],
        env=environment,
        cwd=config.parent,
        preexec_fn=before,  # noqa: PLW1509  # no thread of ours holds a lock here
    )


async def _until(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(aiohttp.ClientError, KeyError):
            if await holds():
                return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"Not within {seconds:g} s: {what}.")


# ---- Faults


class Fault:
    """A fault that begins in the middle; ``end`` makes everything well again."""

    def __init__(self, name: str, *, image_bytes: int = 40_000) -> None:
        self.name = name
        self.image_bytes = image_bytes

    async def begin(self, stand: Stand) -> None:
        """It happens now."""

    async def end(self, stand: Stand) -> None:
        """It is over."""


class Killed(Fault):
    """SIGKILL, and a new process a second later."""

    async def begin(self, stand: Stand) -> None:
        """See ``Fault.begin``."""
        for backend in (stand.npu, stand.immich):
            backend.kill()
        await asyncio.sleep(1)
        for backend in (stand.npu, stand.immich):
            backend.start()


class Hung(Fault):
    """Connections stay, nothing comes; Immich's server is well again after three seconds."""

    async def begin(self, stand: Stand) -> None:
        """See ``Fault.begin``."""
        for backend in (stand.npu, stand.immich):
            backend.pause()
        await asyncio.sleep(TIMEOUT + 1)
        stand.immich.go_on()

    async def end(self, stand: Stand) -> None:
        """See ``Fault.end``."""
        stand.npu.go_on()


class Answering(Fault):
    """An answer that is none; Immich's server is well again after a second."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name)
        self._kind = kind

    async def begin(self, stand: Stand) -> None:
        """See ``Fault.begin``."""
        for backend in (stand.npu, stand.immich):
            await backend.fail(stand.session, self._kind)
        await asyncio.sleep(1)
        await stand.immich.fail(stand.session, "none")

    async def end(self, stand: Stand) -> None:
        """See ``Fault.end``."""
        await stand.npu.fail(stand.session, "none")


FAULTS = (
    Fault("none"),
    Killed("killed (SIGKILL) and started again"),
    Hung("hung"),
    Answering("garbage", "garbage"),
    Answering("half a reply", "half"),
    Answering("wrong size of vector, lists that disagree", "short"),
    Answering("200 with msg", "msg"),
    Answering("slow drip", "drip"),
    Answering("500", "500"),
    Answering("503", "503"),
    Answering("429 (busy)", "429"),
    Fault("none, again"),
)
NO_DNS = Fault("DNS gone")
FULL_DISK = Fault("disk full for the spill", image_bytes=1_500_000)


# ---- Jobs


async def endure(stand: Stand, fault: Fault, jobs: int = JOBS) -> Row:
    """Run jobs, all at once, while the fault comes and goes."""
    before, row = await stand.failed_tries(), Row(fault.name, jobs)
    photo, began, middle = photo_file(fault.image_bytes), time.monotonic(), asyncio.Event()
    done = 0

    async def one(number: int) -> None:
        nonlocal done
        await _job(stand, number, photo, row)
        done += 1
        if done >= min(BEFORE, jobs // 5):
            middle.set()

    async def strike() -> None:
        await middle.wait()
        await fault.begin(stand)

    try:
        await asyncio.gather(strike(), *(one(number) for number in range(1, jobs + 1)))
        row.seconds = time.monotonic() - began
    finally:
        await fault.end(stand)
    await _until(stand.is_well, f"all is well after '{fault.name}'")
    row.tries, row.memory_mb = await stand.failed_tries() - before, stand.memory_mb
    return row


async def _job(stand: Stand, number: int, photo: bytes, row: Row) -> None:
    asked = MIX[number % len(MIX)]
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("entries", json.dumps(ENTRIES[asked]))
    if asked == "text":
        form.add_field("text", f"photo {number:08d}")
    else:
        form.add_field("image", io.BytesIO(photo + b"%08d" % number), filename="blob")
    try:
        async with stand.session.post(f"{stand.url}/predict", data=form) as response:
            body = await response.read()
    except aiohttp.ClientError as error:
        row.lost.append(f"{asked} {number}: {error!r}")
        return
    if response.status != 200:
        row.lost.append(f"{asked} {number}: {response.status} {body[:300]!r}")
    elif _is_right(asked, number, json.loads(body)):
        row.right += 1
    else:
        row.wrong.append(f"{asked} {number}: {body[:300]!r}")


def _is_right(asked: str, number: int, reply: dict[str, object]) -> bool:
    checks = []
    if asked in ("ocr", "both"):
        checks.append(reply["ocr"]["text"] == [text_of(number)])  # type: ignore[index]
    if asked in ("clip", "text"):
        checks.append(_same(json.loads(str(reply["clip"])), number))
    if asked in ("shared faces", "faces", "both"):
        (face,) = reply["facial-recognition"]  # type: ignore[misc]
        checks.append(_same(json.loads(face["embedding"]), number))  # type: ignore[index]
    return all(checks)


def _same(vector: list[float], number: int) -> bool:
    wanted = vector_of(number)
    return len(vector) == len(wanted) and all(
        abs(one - other) < 1e-6 for one, other in zip(vector, wanted, strict=True)
    )


def photo_file(size: int) -> bytes:
    """A JPEG that a number is appended to, which decoders do not mind."""
    file = io.BytesIO()
    Image.new("RGB", SIZE, "olive").save(file, "JPEG")
    photo = file.getvalue()
    assert number_of(photo) == 0
    return photo + b"\xff" * (size - len(photo))
