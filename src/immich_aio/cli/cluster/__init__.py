"""``immich-aio cluster``: the AI service over several machines, by Ray Serve (extra ``ray``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immich_aio.cli.cluster import plan, programs
from immich_aio.services.cluster.share import DeploymentName
from immich_aio.settings import Settings

app = typer.Typer(
    help="The AI service over several machines, by Ray Serve; see docs/cluster.md.",
    no_args_is_help=True,
)

PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

REPLICAS = "how many: 2, or 1-8 for as many between as there is work for, or 0"
Replicas = Annotated[str, typer.Option(metavar="N|MIN-MAX", help=f"Replicas of it, {REPLICAS}.")]
Cpus = Annotated[float, typer.Option(min=0.1, help="Cores of each replica.")]
Gpus = Annotated[float, typer.Option(min=0, help="GPUs of each replica; 0.25 lets four share one.")]


@app.command()
def config(  # noqa: PLR0913, PLR0917  # one option for each thing that can be said
    output: Annotated[
        Path | None,
        typer.Option(help="The file to write; by default it is printed.", dir_okay=False),
    ] = None,
    ocr_replicas: Replicas = "1",
    ocr_cpus: Cpus = 1,
    ocr_gpus: Gpus = 0,
    clip_image_replicas: Replicas = "1",
    clip_image_cpus: Cpus = 1,
    clip_image_gpus: Gpus = 0,
    clip_text_replicas: Replicas = "1",
    clip_text_cpus: Cpus = 1,
    clip_text_gpus: Gpus = 0,
    faces_replicas: Replicas = "1",
    faces_cpus: Cpus = 1,
    faces_gpus: Gpus = 0,
    ingress_replicas: Annotated[
        int,
        typer.Option(
            min=1,
            help="Nodes that take in requests, a process each: with 2 or more any one may be lost.",
        ),
    ] = 1,
) -> None:
    """Write the configuration: with CLIP where CLIP_MODEL is set, faces where FACES_FROM=here."""
    wanted: dict[DeploymentName, plan.Wanted] = {
        "ocr": plan.Wanted(ocr_replicas, ocr_cpus, ocr_gpus),
        "clip-image": plan.Wanted(clip_image_replicas, clip_image_cpus, clip_image_gpus),
        "clip-text": plan.Wanted(clip_text_replicas, clip_text_cpus, clip_text_gpus),
        "faces": plan.Wanted(faces_replicas, faces_cpus, faces_gpus),
    }
    plan.write(Settings.load(), wanted, ingress_replicas, output)


@app.command(context_settings=PASSED_ON)
def ray(context: typer.Context) -> None:
    """Ray's own 'ray', such as 'ray start --head'; nothing is reported to its makers."""
    programs.become("ray.scripts.scripts", context.args)


@app.command(context_settings=PASSED_ON)
def serve(context: typer.Context) -> None:
    """Ray's own 'serve', such as 'serve deploy FILE' or 'serve status'; likewise."""
    programs.become("ray.serve.scripts", context.args)
