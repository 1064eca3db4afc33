"""``immich-aio models`` as its users run it: real processes, and a hub on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.product import COMMAND, environment, run
from tests.acceptance.test_services import BLOCKED
from tests.clip_golden import TINY
from tests.conftest import NO_HUB
from tests.integration.engines.hub import Hub, Offer, a_hub, sha256

DATA = TINY.read_bytes()
HALF = len(DATA) // 2 + 1
FILE = "clip_cn_vit-b-16.pt"
AT_HUGGINGFACE = f"/OFA-Sys/chinese-clip-vit-base-patch16/resolve/main/{FILE}"
AT_MODELSCOPE = f"/models/AI-ModelScope/chinese-clip-vit-base-patch16/resolve/master/{FILE}"
PULLED = f"""\
ViT-B-16 is at models/clip/{FILE}.
It is ready: vectors of 512 numbers. Set CLIP_MODEL=ViT-B-16, and choose ViT-B-32__openai or \
ViT-B-16__openai as the CLIP model in Immich.
"""
PATIENCE = 30

# The product as it is, but for a ViT-B-16 that is small enough to be served here.
SMALL = f"""
import dataclasses, runpy, sys
from immich_aio.engines.model_files import catalogue

catalogue.CLIP_MODELS = tuple(
    dataclasses.replace(model, checkpoint=dataclasses.replace(
        model.checkpoint, size={len(DATA)}, sha256={sha256(DATA)!r}
    ))
    if model.name == "ViT-B-16" else model
    for model in catalogue.CLIP_MODELS
)
sys.argv = ["immich-aio", *sys.argv[3:]]  # after "-m" and its module, which come from our helper
runpy.run_module("immich_aio", run_name="__main__")
"""
PRELUDE = ("-c", SMALL)


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Hub]:
    async with a_hub() as hub:
        yield hub


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Where models are by default, in the folder in which the product is started."""
    return tmp_path / "models" / "clip"


@contextlib.asynccontextmanager
async def started(folder: Path, *arguments: str, **settings: str) -> AsyncIterator[Process]:
    """A process of the tool with the small model; it is killed in the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *PRELUDE, *COMMAND, *arguments),
        env=environment(settings),
        cwd=folder,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(process: Process) -> tuple[int | None, str, str]:
    """Exit status, standard output and standard error."""
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    return process.returncode, output.decode(), errors.decode()


async def pulled(folder: Path, **settings: str) -> tuple[int | None, str, str]:
    """What comes of a pull."""
    async with started(folder, "models", "pull", "ViT-B-16", **settings) as process:
        return await ended(process)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


async def said(process: Process, words: str) -> None:
    """Return when the process says so on standard error."""
    assert process.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while words not in (line := (await process.stderr.readline()).decode()):
            assert line, f"the process ended without a word of '{words}'"


# ---- pull


async def test_a_pull_fetches_the_model_to_where_cn_clip_looks_for_it(
    hub: Hub, tmp_path: Path, clip: Path
) -> None:
    """Also where services may fetch nothing by themselves."""
    hub.offer(AT_HUGGINGFACE, Offer(DATA))
    settings = {"HF_ENDPOINT": hub.url, "MODEL_DOWNLOAD": "off"}
    status, output, errors = await pulled(tmp_path, **settings)
    assert (status, output) == (0, PULLED), errors
    assert f"ViT-B-16: fetching {hub.url}{AT_HUGGINGFACE}\n" in errors
    assert "(100 %)" in errors
    assert (clip / FILE).read_bytes() == DATA


async def test_pulling_again_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    hub.offer(AT_HUGGINGFACE, Offer(DATA))
    for _ in range(2):
        status, output, _ = await pulled(tmp_path, HF_ENDPOINT=hub.url)
        assert (status, output) == (0, PULLED)
    assert len(hub.got) == 1


async def test_where_hugging_face_cannot_be_reached_modelscope_is_asked(
    hub: Hub, tmp_path: Path, clip: Path
) -> None:
    hub.offer(AT_MODELSCOPE, Offer(DATA))
    status, _, errors = await pulled(tmp_path, HF_ENDPOINT=NO_HUB, MODELSCOPE_ENDPOINT=hub.url)
    assert status == 0, errors
    assert (clip / FILE).read_bytes() == DATA


async def test_order_and_choice_of_sources_are_a_setting(
    hub: Hub, tmp_path: Path, clip: Path
) -> None:
    hub.offer(f"/nas/{FILE}", Offer(status=404))
    hub.offer(AT_MODELSCOPE, Offer(DATA))
    sources = {"MODEL_SOURCES": f"{hub.url}/nas/,modelscope", "MODELSCOPE_ENDPOINT": hub.url}
    status, _, errors = await pulled(
        tmp_path, CLIP_DOWNLOAD_ROOT=str(tmp_path / "elsewhere"), **sources
    )
    assert status == 0, errors
    assert [got.path for got in hub.got] == [f"/nas/{FILE}", AT_MODELSCOPE]
    assert (tmp_path / "elsewhere" / FILE).read_bytes() == DATA
    assert names(clip) == []


async def test_killed_in_the_middle_the_next_pull_goes_on_where_it_ended(
    hub: Hub, tmp_path: Path, clip: Path
) -> None:
    hub.offer(AT_HUGGINGFACE, Offer(DATA, sends=HALF, stalls=True), Offer(DATA))
    async with started(tmp_path, "models", "pull", "ViT-B-16", HF_ENDPOINT=hub.url) as process:
        await said(process, "(50 %)")
        process.send_signal(signal.SIGKILL)
        assert (await ended(process))[0] == -signal.SIGKILL
    assert (clip / f"{FILE}.part").read_bytes() == DATA[:HALF]
    assert FILE not in names(clip)
    status, output, errors = await pulled(tmp_path, HF_ENDPOINT=hub.url)
    assert (status, output) == (0, PULLED), errors
    assert [got.range for got in hub.got] == [None, f"bytes={HALF}-"]
    assert f"ViT-B-16: fetching the rest of {hub.url}{AT_HUGGINGFACE}\n" in errors
    assert (clip / FILE).read_bytes() == DATA
    assert names(clip) == ["clip_cn_vit-b-16.onnx", FILE, f"{FILE}.sha256"]


async def test_interrupted_by_its_user_it_keeps_what_has_come(
    hub: Hub, tmp_path: Path, clip: Path
) -> None:
    hub.offer(AT_HUGGINGFACE, Offer(DATA, sends=HALF, stalls=True))
    async with started(tmp_path, "models", "pull", "ViT-B-16", HF_ENDPOINT=hub.url) as process:
        await said(process, "(50 %)")
        process.send_signal(signal.SIGINT)
        status, _, errors = await ended(process)
    assert status == 130
    assert "Traceback" not in errors
    assert names(clip) == [f"{FILE}.part"]


async def test_two_processes_that_pull_at_once_fetch_the_file_once(
    hub: Hub, tmp_path: Path, clip: Path
) -> None:
    hub.offer(AT_HUGGINGFACE, Offer(DATA, sends=HALF, stalls=True))
    pull = ("models", "pull", "ViT-B-16")
    async with started(tmp_path, *pull, HF_ENDPOINT=hub.url) as first:
        await asyncio.wait_for(hub.stalled.wait(), PATIENCE)
        async with started(tmp_path, *pull, HF_ENDPOINT=hub.url) as second:
            await said(second, "another process fetches it")
            hub.go_on.set()
            outcomes = await asyncio.gather(ended(first), ended(second))
    for status, output, errors in outcomes:
        assert (status, output) == (0, PULLED), errors
    assert len(hub.got) == 1
    assert (clip / FILE).read_bytes() == DATA


async def test_when_the_process_that_fetches_is_killed_the_one_that_waits_goes_on(
    hub: Hub, tmp_path: Path, clip: Path
) -> None:
    hub.offer(AT_HUGGINGFACE, Offer(DATA, sends=HALF, stalls=True), Offer(DATA))
    pull = ("models", "pull", "ViT-B-16")
    async with started(tmp_path, *pull, HF_ENDPOINT=hub.url) as first:
        await said(first, "(50 %)")
        async with started(tmp_path, *pull, HF_ENDPOINT=hub.url) as second:
            await said(second, "another process fetches it")
            first.kill()
            status, _, errors = await ended(second)
    assert status == 0, errors
    assert hub.got[-1].range == f"bytes={HALF}-"
    assert (clip / FILE).read_bytes() == DATA


async def test_a_pull_that_fails_says_in_one_line_where_why_and_what_to_do(
    hub: Hub, tmp_path: Path
) -> None:
    hub.offer(AT_MODELSCOPE, Offer(DATA[::-1]))
    status, output, errors = await pulled(tmp_path, HF_ENDPOINT=NO_HUB, MODELSCOPE_ENDPOINT=hub.url)
    assert (status, output) == (1, "")
    line = errors.splitlines()[-1]
    for words in (
        f"immich-aio: {FILE} could not be fetched",
        f"{NO_HUB}{AT_HUGGINGFACE}: cannot be reached",
        f"{hub.url}{AT_MODELSCOPE}: gave a file with a wrong SHA-256",
        "Set MODEL_SOURCES or HF_ENDPOINT",
        "immich-aio models import FILE",
    ):
        assert words in line
    assert "Traceback" not in errors


def test_a_pull_of_a_model_that_no_hub_has_names_those_that_there_are(tmp_path: Path) -> None:
    done = run(tmp_path, "models", "pull", "family")
    assert done.returncode == 1
    assert "RN50, ViT-B-16, ViT-L-14, ViT-L-14-336, ViT-H-14" in done.stderr
    assert "models import FILE --as family" in done.stderr


def test_a_file_that_is_not_the_official_one_is_not_taken_for_pulled(
    tmp_path: Path, clip: Path
) -> None:
    clip.mkdir(parents=True)
    (clip / FILE).write_bytes(DATA)
    done = run(tmp_path, "models", "pull", "ViT-B-16")
    assert done.returncode == 1
    assert "753,196,934 bytes" in done.stderr
    assert "models rm ViT-B-16" in done.stderr
    assert (clip / FILE).read_bytes() == DATA


def test_models_are_managed_where_no_inference_library_is(tmp_path: Path) -> None:
    (tmp_path / "family.pt").write_bytes(DATA)
    blocked = ("-c", BLOCKED)
    imported = run(tmp_path, "models", "import", "family.pt", before=blocked)
    assert imported.returncode == 0
    assert imported.stdout.startswith("family is at models/clip/family.pt.\nIt is converted where")
    pull = run(tmp_path, "models", "pull", "RN50", before=blocked)
    assert pull.returncode == 1
    assert "clip_cn_rn50.pt could not be fetched" in pull.stderr


# ---- import, list, verify, rm


def test_a_model_of_ones_own_is_imported_listed_checked_and_removed(
    tmp_path: Path, clip: Path
) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "tuned.pt").write_bytes(DATA)
    done = run(tmp_path, "models", "import", "stick/tuned.pt", "--as", "family")
    assert done.returncode == 0
    assert "Set CLIP_MODEL=family, and choose ViT-B-32__openai" in done.stdout

    done = run(tmp_path, "models", "list", "--json", CLIP_MODEL="family")
    models = [json.loads(line) for line in done.stdout.splitlines()]
    configured = [model["name"] for model in models if model["configured"]]
    assert configured == ["buffalo_l", "family"]
    assert models[-1] == {
        "name": "family",
        "path": "models/clip/family.pt",
        "dimension": 512,
        "official_bytes": None,
        "status": "present",
        "bytes": len(DATA),
        "partial_bytes": None,
        "sha256": sha256(DATA),
        "converted": ["full"],
        "configured": True,
    }

    done = run(tmp_path, "models", "verify")
    assert done.returncode == 0
    assert done.stdout == f"family: good, as noted when it came (SHA-256 {sha256(DATA)})\n"

    weights = clip / "family.onnx" / "full" / "visual.weights"
    sound = weights.read_bytes()
    weights.write_bytes(sound[::-1])
    done = run(tmp_path, "models", "verify")
    assert done.returncode == 1
    assert "visual.weights is DAMAGED. Remove models/clip/family.onnx/full" in done.stdout
    weights.write_bytes(sound)

    (clip / "family.pt").write_bytes(DATA[::-1])
    done = run(tmp_path, "models", "verify", "family")
    assert done.returncode == 1
    assert done.stdout.startswith("family: DAMAGED")

    done = run(tmp_path, "models", "rm", "family")
    assert (done.returncode, done.stdout) == (0, "family is removed; 7 MB are free again.\n")
    assert names(clip) == []


def test_what_is_no_checkpoint_is_not_taken_in(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "family.pt").write_bytes(b"<html>404</html>")
    done = run(tmp_path, "models", "import", "family.pt")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("immich-aio: family.pt is not a checkpoint as torch.save writes")
    assert names(clip) == []


def test_the_converted_model_is_enough_where_the_checkpoint_was_removed(
    tmp_path: Path, clip: Path
) -> None:
    (tmp_path / "family.pt").write_bytes(DATA)
    assert run(tmp_path, "models", "import", "family.pt").returncode == 0
    (clip / "family.pt").unlink()
    done = run(tmp_path, "doctor", CLIP_MODEL="family")
    assert "family, vectors of 512 numbers" in done.stdout
    assert "choose as CLIP model: ViT-B-32__openai, ViT-B-16__openai" in done.stdout


def test_the_list_shows_every_model_what_is_here_of_it_and_which_is_configured(
    tmp_path: Path, clip: Path
) -> None:
    clip.mkdir(parents=True)
    with (clip / "clip_cn_rn50.pt").open("wb") as file:
        os.truncate(file.fileno(), 308_316_425)
    with (clip / "clip_cn_vit-l-14.pt.part").open("wb") as file:
        os.truncate(file.fileno(), 325_027_154)
    (clip / "clip_cn_vit-h-14.pt").write_bytes(b"tuned")
    done = run(tmp_path, "models", "list", CLIP_MODEL="ViT-B-16")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert " ".join(rows[0]) == "Face packs in models/faces; licence not accepted:"
    assert rows[2:6] == [
        ["buffalo_l", "512", "191", "MB", "missing", "RECOGNITION_MODEL"],
        ["buffalo_m", "512", "178", "MB", "missing"],
        ["buffalo_s", "512", "16", "MB", "missing"],
        ["antelopev2", "512", "–", "missing"],
    ]
    assert rows[6] == ["Models", "in", "models/clip:"]
    assert rows[8:] == [
        ["RN50", "1024", "308", "MB", "present"],
        ["ViT-B-16", "512", "753", "MB", "missing", "CLIP_MODEL"],
        ["ViT-L-14", "768", "1,625", "MB", "partial:", "325", "of", "1,625", "MB", "(20", "%)"],
        ["ViT-L-14-336", "768", "1,626", "MB", "missing"],
        ["ViT-H-14", "1024", "0", "MB", "present,", "not", "the", "official", "file"],
    ]


def test_a_configured_model_of_ones_own_that_is_not_here_is_listed_too(tmp_path: Path) -> None:
    done = run(tmp_path, "models", "list", "--json", CLIP_MODEL="family")
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["name"], last["status"], last["configured"]) == ("family", "missing", True)


@pytest.mark.parametrize("command", ["verify", "rm"])
def test_what_is_not_here_can_be_neither_checked_nor_removed(tmp_path: Path, command: str) -> None:
    done = run(tmp_path, "models", command, "RN50")
    assert (done.returncode, done.stdout) == (1, "")
    assert "immich-aio models list" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_import_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(DATA)
    done = run(tmp_path, "models", "import", FILE)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"immich-aio: {FILE} is not the official checkpoint of ViT-B-16")
    assert "--as" in line
