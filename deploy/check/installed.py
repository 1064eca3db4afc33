"""Each image's install steps in a fresh virtual environment, and its services started from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from deploy.check import images
from deploy.check.compose import BASE, filled, merged
from deploy.check.services import Stack
from deploy.check.tools import said

INFERENCE = ("onnxruntime", "openvino", "cv2", "rapidocr", "torch")


def slim() -> str:
    """The gateway and the companion, without any inference library."""
    return _installed("slim", ("gateway", "companion"), unwanted=INFERENCE)


def cpu() -> str:
    """The AI service."""
    return _installed("cpu", ("ai",), unwanted=("torch", "psycopg"))


def cuda() -> str:
    """The same for NVIDIA, and whether ONNX Runtime finds all of CUDA and cuDNN in the wheels."""
    with tempfile.TemporaryDirectory(prefix="aio-install-") as made:
        venv = images.install("cuda", Path(made))
        load = "import onnxruntime; onnxruntime.preload_dlls()"
        missed = said(venv / "bin" / "python", "-c", load).strip()  # it prints what it misses
        assert not missed, missed
        return f"{_size(venv)}; all libraries of ONNX Runtime's CUDA provider are found"


def arm64() -> str:
    """Whether every pinned package of the images has a wheel for ARM; nothing is installed."""
    found = []
    for extras in ("companion", "cpu"):
        platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 42)]
        platforms.append("--platform=manylinux2014_aarch64")
        with tempfile.TemporaryDirectory() as made:
            options = ["--quiet", "--no-deps", "-w", made, "."]
            said(sys.executable, "-m", "pip", "wheel", *options, cwd=images.ROOT, **os.environ)
            (wheel,) = Path(made).glob("*.whl")
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"),
                    *("--ignore-installed", "--only-binary=:all:", "--python-version=3.13"),
                    *("--implementation=cp", "--abi=cp313", "--abi=abi3", "--abi=none"),
                    *(*platforms, f"--target={made}/target", "--constraint=constraints.txt"),
                    *("--report=-", f"{wheel}[{extras}]"),
                ],
                cwd=images.ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        number = len(json.loads(done.stdout)["install"])
        found.append(f"[{extras}] {number} packages")
    return "for aarch64, Python 3.13: " + ", ".join(found)


def _installed(target: str, services: tuple[str, ...], unwanted: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory(prefix="aio-install-") as made, ExitStack() as started:
        folder = Path(made)
        venv = images.install(target, folder)
        for name in unwanted:
            assert not list(venv.glob(f"lib/*/site-packages/{name}")), f"{name} is in {target}"
        stack = Stack(merged(BASE, filled() | {"CLIP_MODEL": ""}), folder)
        for name in services:
            started.enter_context(stack.running(name, venv / "bin" / "immich-aio"))
        return f"{_size(venv)}; healthy: {', '.join(services)}"


def _size(folder: Path) -> str:
    files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.0f} MB"
