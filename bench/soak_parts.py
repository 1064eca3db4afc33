"""Of what the soak is put together: the roles, how large everything is, and its settings."""

from __future__ import annotations

import importlib.resources
import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.checkpoints import write_random_checkpoint
from bench.face_networks import write_pack
from bench.product import HOST
from bench.soak_server import Server
from immich_aio.engines.clip.architecture import OFFICIAL
from immich_aio.services.sandbox.embedded.free_port import free_port
from immich_aio.services.sandbox.sample_library import SAMPLES
from immich_aio.services.sandbox.smart_model import CHECKPOINT

PHOTOS = (
    "invoice-hangzhou.jpg",
    "bridge-sign.jpg",
    "exit.jpg",
    "coffee.jpg",
    "forest.jpg",
    "invoice-hotel.jpg",
    "train-ticket.jpg",
    "noodle-menu.jpg",
    "taipei-station.jpg",
    "whiteboard.jpg",
    "boarding-pass.jpg",
    "beach.jpg",
)
"""The sandbox's library."""

GATEWAY, STEADY, OTHER, COMPANION, SANDBOX = "gateway", "AI 1", "AI 2", "companion", "sandbox"
ROLES = (GATEWAY, STEADY, OTHER, COMPANION, SANDBOX)


@dataclass(frozen=True, slots=True)
class Scale:
    """How large and how patient everything is; ``pace`` multiplies the pauses between requests."""

    photos: int
    small_models: bool
    idle_seconds: float
    """MODEL_TTL."""
    timeout: float
    """UPSTREAM_TIMEOUT."""
    query_wait: float
    companion_timeout: float
    hung_seconds: float
    pace: float
    every: float
    """Seconds between two looks at memory."""

    @property
    def patience(self) -> float:
        """Seconds that a person waits: as long as gateway and companion together may take."""
        return self.query_wait + self.companion_timeout


LONG = Scale(
    photos=len(PHOTOS),
    small_models=False,
    idle_seconds=60,
    timeout=45,
    query_wait=60,
    companion_timeout=30,
    hung_seconds=60,
    pace=1,
    every=5,
)
"""A backend has less time than by default, and hangs longer. Text queries and searches have more:
where others use the machine, models that were unloaded may take more than ten seconds to load, and
a search more than five, for which by default Immich would answer in its own way. How patient people
are is not what is measured here.
"""

SHORT = Scale(
    photos=5,
    small_models=True,
    idle_seconds=2,
    timeout=60,
    query_wait=60,
    companion_timeout=30,
    hung_seconds=4,
    pace=0.25,
    every=1,
)
"""No answer is late here, however busy the machine: whoever hangs is noticed by text queries."""


def servers_in(folder: Path, scale: Scale) -> dict[str, Server]:
    """All servers, which keep their files in a folder; none is started."""
    made: dict[str, Server] = {}

    def add(role: str, command: list[str], settings: dict[str, str], port: int = 0) -> None:
        made[role] = Server(role, command, settings, folder, f"http://{HOST}:{port}")

    settings = _ai_settings(folder, scale)
    for role in (STEADY, OTHER):
        port = free_port()
        add(role, ["serve", "--roles", "ai"], settings | {"HTTP_PORT": str(port)}, port)
    port, config = free_port(), folder / "gateway.toml"
    config.write_text(_gateway_config(made[STEADY].url, made[OTHER].url, settings, scale))
    # A cache of few texts, so that most of them are asked for.
    gateway = {"PORT": str(port), "GATEWAY_CONFIG": str(config), "TEXT_CACHE": "16"}
    gateway |= {"QUERY_WAIT": f"{scale.query_wait:g}"}
    add(GATEWAY, ["serve", "--roles", "gateway"], gateway, port)
    add(SANDBOX, *_sandbox(folder, scale, made[GATEWAY].url))
    companion = free_port()
    before = {"COMPANION_TIMEOUT": f"{scale.companion_timeout:g}"}
    before |= {"COMPANION_PORT": str(companion)}
    add(COMPANION, ["serve", "--roles", "companion"], before, companion)
    return made


def _ai_settings(folder: Path, scale: Scale) -> dict[str, str]:
    clip, faces = folder / "clip", folder / "faces"
    clip.mkdir()
    write_pack(faces / "buffalo_l", large=not scale.small_models)
    model = "colours" if scale.small_models else "ViT-B-16"
    if scale.small_models:
        with importlib.resources.as_file(CHECKPOINT) as file:
            shutil.copyfile(file, clip / f"{model}.pt")
    else:
        write_random_checkpoint(clip / "clip_cn_vit-b-16.pt", OFFICIAL[model])
    return {
        "CLIP_MODEL": model,
        "CLIP_DOWNLOAD_ROOT": str(clip),
        "FACES_FROM": "here",
        "FACES_DOWNLOAD_ROOT": str(faces),
        "ACCEPT_FACES_LICENSE": "on",
        "MODEL_DOWNLOAD": "off",
        "MODEL_TTL": f"{scale.idle_seconds:g}",
    }


def _gateway_config(one: str, two: str, settings: dict[str, str], scale: Scale) -> str:
    model = f'clip_model = "{settings["CLIP_MODEL"]}", face_pack = "buffalo_l"'
    rest = f"{model}, limit = 4, timeout = {scale.timeout:g}"
    return f"""
        [backends]
        one = {{ kind = "mt-photos", url = "{one}", {rest} }}
        two = {{ kind = "mt-photos", url = "{two}", {rest} }}
        [[routes]]
        order = [["one", "two"]]
    """


def _sandbox(folder: Path, scale: Scale, gateway: str) -> tuple[list[str], dict[str, str]]:
    """Its own gateway passes everything on to ours, and its own engines have nothing to do."""
    folder.chmod(0o755)  # root's PostgreSQL runs as somebody else, who must come there
    photos, config = folder / "photos", folder / "passing-on.toml"
    photos.mkdir()
    for name in PHOTOS[: scale.photos]:
        with importlib.resources.as_file(SAMPLES / name) as file:
            shutil.copyfile(file, photos / name)
    backend = f'[backends.front]\nkind = "immich"\nurl = "{gateway}"\ntimeout = 900\n'
    config.write_text(f'{backend}[[routes]]\norder = ["front"]\n')
    data = str(folder / "sandbox")
    command = ["sandbox", "--photos", str(photos), "--data", data, "--port", "0"]
    ports = {"PORT": "0", "HTTP_PORT": "0", "COMPANION_PORT": "0"}
    behind = {"GATEWAY_CONFIG": str(config), "IMMICH_API": gateway, "MODEL_PRELOAD": "none"}
    return command, ports | behind
