"""The AI service on two Ray nodes: the answers of one process, whatever becomes of a node.

The nodes are real, each with processes of its own at its own loopback address. The tests follow on
each other: the last one kills a node.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from PIL import Image

from bench.clip_samples import TEXTS
from bench.face_networks import write_pack
from bench.face_samples import DrawnFace, picture, picture_file
from bench.ray_cluster import Cluster, cluster
from tests.acceptance.product import SAMPLES, Service, run, running
from tests.clip_golden import IMAGES, TINY
from tests.integration.services.live import Reply, ask, send_form

JOBS = 300
CORES = 4
"""Those that each node has by its own account: four replicas, a core each."""

QUEUED = 4
"""Images that may wait at each ingress for OCR, and are more than two callers' at once."""

KEY = "the cluster's key"
GATEWAY = {"MT_PHOTOS_API_KEY": KEY, "TEXT_CACHE": "0", "QUERY_WAIT": "30"}
"""Nobody waits for the texts here: they are asked all at once, with the images."""

SHOWN = Path(__file__).parents[2] / "src/immich_aio/services/sandbox/samples"
READ = ("invoice-hotel", "tram-notice", "train-times", "invoice-english", "library-notice", "exit")
OCR = {"ocr": {"detection": {"modelName": "any"}, "recognition": {"modelName": "any"}}}
PACK = {"modelName": "buffalo_l"}
FACES = {"facial-recognition": {"detection": PACK, "recognition": PACK}}
VISUAL = {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
TEXTUAL = {"clip": {"textual": {"modelName": "ViT-B-32__openai"}}}

Job = tuple[dict[str, object], dict[str, bytes | str]]


def small(name: str) -> bytes:
    """One of the sandbox's photos, of a size that is soon read."""
    file = io.BytesIO()
    Image.open(SHOWN / f"{name}.jpg").resize((560, 420)).save(file, "PNG")
    return file.getvalue()


def jobs() -> list[Job]:
    """One of each that the tests ask for."""
    faces = [picture(320, 240, [DrawnFace(100 + 20 * n, 110, 70, identity=n)]) for n in range(2)]
    return [
        *((OCR, {"image": small(name)}) for name in READ),
        *((VISUAL, {"image": image}) for image in IMAGES),
        *((TEXTUAL, {"text": text}) for text in TEXTS[:4]),
        *((FACES, {"image": picture_file(face, "PNG")}) for face in faces),
    ]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a machine that has small models."""
    folder = tmp_path_factory.mktemp("shared")
    write_pack(folder / "stick" / "buffalo_l")
    settings = {
        "CLIP_DOWNLOAD_ROOT": str(folder / "clip"),
        "FACES_DOWNLOAD_ROOT": str(folder / "faces"),
    }
    accepted = ("--as", "buffalo_l", "--accept-license")
    for arguments in ((str(TINY),), (str(folder / "stick" / "buffalo_l"), *accepted)):
        done = run(folder, "models", "import", *arguments, **settings)
        assert done.returncode == 0, done.stderr
    return {**settings, "CLIP_MODEL": "tiny", "FACES_FROM": "here", "API_AUTH_KEY": KEY}


@pytest.fixture(scope="module")
def nodes(models: dict[str, str]) -> Iterator[Cluster]:
    """Two nodes with a replica of each engine, configured by the command's own file."""
    with cluster([CORES, CORES], models) as made:
        made.deploy(configured(made))
        yield made


def configured(made: Cluster, **settings: str) -> Path:
    """The file that the command writes, with each engine once on each node."""
    engines = ("ocr", "clip-image", "clip-text", "faces")
    replicas = [word for name in engines for word in (f"--{name}-replicas", "2")]
    replicas += ["--ingress-replicas", "2"]
    done = run(made.folder, "cluster", "config", *replicas, **{**made.settings, **settings})
    assert done.returncode == 0, done.stderr
    written = yaml.safe_load(done.stdout)
    for deployment in written["applications"][0]["deployments"]:
        if deployment["name"] in engines:
            deployment["max_replicas_per_node"] = 1
        if deployment["name"] == "ocr":
            deployment["max_queued_requests"] = QUEUED
    file = made.folder / "cluster.yaml"
    file.write_text(yaml.safe_dump(written))
    return file


def logged(made: Cluster, deployment: str, words: str) -> int:
    """How often the replicas of a deployment have logged that."""
    logs = made.folder.glob(f"session_latest/logs/serve/replica_*_{deployment}_*.log")
    return sum(file.read_text().count(words) for file in logs)


@pytest.fixture(scope="module")
def gateways(
    nodes: Cluster, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Service]]:
    """A gateway before one process, and one before the cluster."""
    folder = tmp_path_factory.mktemp("gateways")
    with ExitStack() as stack:
        alone = stack.enter_context(running(folder / "ai", models, roles="ai"))
        services = []
        for name, url in (("alone", alone.url), ("cluster", nodes.url)):
            settings = {**models, **GATEWAY, "MT_PHOTOS_API": url}
            services.append(stack.enter_context(running(folder / name, settings, roles="gateway")))
        yield services[0], services[1]


async def predict(service: Service, job: Job) -> Reply:
    entries, fields = job
    return await send_form(f"{service.gateway_url}predict", entries=json.dumps(entries), **fields)


@pytest.fixture(scope="module")
def answers(gateways: tuple[Service, Service]) -> list[object]:
    """What one process answers to each job."""

    async def asked() -> list[Reply]:
        return [await predict(gateways[0], job) for job in jobs()]

    replies = asyncio.run(asked())
    assert [reply.status for reply in replies] == [200] * len(replies)
    return [reply.json for reply in replies]


async def read(made: Cluster, file: bytes, key: str = KEY) -> Reply:
    """What the cluster itself answers, in MT-Photos' protocol."""
    return await send_form(f"{made.url}/ocr", key=key, file=file)


async def under_way(made: Cluster) -> float:
    """The most calls to OCR that any ingress has under way, as far as several looks show."""
    pages = [(await ask(f"{made.url}/metrics")).body.decode() for _ in range(6)]
    return max(float(page.split("\nimmich_aio_ocr_running ")[1].split("\n")[0]) for page in pages)


async def test_callers_are_told_what_was_wrong_as_by_one_process(
    nodes: Cluster, gateways: tuple[Service, Service]
) -> None:
    wrong: list[Job] = [(OCR, {"image": b"no image"}), (VISUAL, {"image": b"no image"})]
    for job in wrong:
        alone, replicated = [await predict(service, job) for service in gateways]
        assert (replicated.status, replicated.json) == (alone.status, alone.json)
        assert replicated.status == 400
    assert (await read(nodes, small(READ[0]), key="mt_photos_ai_extra")).status == 401


async def test_nothing_is_reported_to_rays_makers(nodes: Cluster) -> None:
    assert "Usage stats collection is disabled." in nodes.logs()


async def test_what_is_more_than_may_wait_is_refused_and_told_when_to_come_again(
    nodes: Cluster,
) -> None:
    photo = small(READ[0])
    replies = await asyncio.gather(*(read(nodes, photo) for _ in range(40)))
    refused = [reply for reply in replies if reply.status == 429]
    assert {reply.status for reply in replies} == {200, 429}
    assert {reply.headers["Retry-After"] for reply in refused} == {"1"}
    assert all("max_queued_requests" in reply.json["detail"] for reply in refused)


async def test_who_hangs_up_ends_the_work_at_the_replicas(nodes: Cluster) -> None:
    photo = (SAMPLES / "receipt.jpg").read_bytes()
    before = logged(nodes, "ocr", "CALL read OK")
    asking = [asyncio.create_task(read(nodes, photo)) for _ in range(8)]
    while not await under_way(nodes):
        assert not any(task.done() for task in asking)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    while await under_way(nodes) or not logged(nodes, "ocr", "CALL read CANCELLED"):
        assert logged(nodes, "ocr", "CALL read OK") - before < 8
    assert logged(nodes, "ocr", "CALL read OK") - before < 8


async def test_a_rolling_update_costs_no_request(nodes: Cluster) -> None:
    loaded = logged(nodes, "ocr", "Finished initializing")
    photo, replies, stop = small(READ[0]), list[Reply](), asyncio.Event()

    async def caller() -> None:
        while not stop.is_set():
            replies.append(await read(nodes, photo))

    callers = [asyncio.create_task(caller()) for _ in range(2)]
    await asyncio.to_thread(nodes.deploy, configured(nodes, OCR_SIDE="640"))
    stop.set()
    await asyncio.gather(*callers)
    assert {reply.status for reply in replies} == {200}
    assert logged(nodes, "ocr", "Finished initializing") == loaded + 2
    await asyncio.to_thread(nodes.deploy, configured(nodes))


async def test_a_node_that_is_lost_costs_no_job_and_changes_no_answer(
    nodes: Cluster, gateways: tuple[Service, Service], answers: list[object]
) -> None:
    asked, done = jobs(), 0
    middle = asyncio.Event()

    async def one(number: int) -> Reply:
        nonlocal done
        reply = await predict(gateways[1], asked[number % len(asked)])
        done += 1
        if done == JOBS // 4:
            middle.set()
        return reply

    async def lose_a_node() -> None:
        await middle.wait()
        await asyncio.to_thread(nodes.nodes[1].kill)
        assert done < JOBS * 3 // 4

    replies, _ = await asyncio.gather(
        asyncio.gather(*(one(number) for number in range(JOBS))), lose_a_node()
    )
    lost = [(number, reply.body) for number, reply in enumerate(replies) if reply.status != 200]
    assert lost == []
    for number, reply in enumerate(replies):
        assert reply.json == answers[number % len(asked)]
