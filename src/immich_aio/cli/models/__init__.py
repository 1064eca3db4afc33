"""``immich-aio models``: the model files on this machine, and how they get here and go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from immich_aio.cli.models import checkpoints, packs
from immich_aio.domain.face_packs import PACKS
from immich_aio.errors import BadInputError
from immich_aio.settings import Settings

app = typer.Typer(
    help="Fetch, import, check and remove the models of smart search and of faces.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="A model's name, such as ViT-B-16 or buffalo_l.")]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept-license", help="Accept, once for all, the licence that face packs come with."
    ),
]


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a model.")] = False,
) -> None:
    """Show which models there are, and what is here of each."""
    settings = Settings.load()
    packs.show(settings, as_json=as_json)
    checkpoints.show(settings, as_json=as_json)


@app.command()
def pull(name: Name, accept: Accept = False) -> None:
    """Fetch a model from the first of MODEL_SOURCES that has it; goes on where it was cut off."""
    settings = Settings.load()
    if (pack := packs.pack_of(settings, name)) is not None:
        packs.pull(settings, pack, accept=accept)
    else:
        checkpoints.pull(settings, name)


@app.command("import")
def import_model(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint, or the zip or folder of a face pack.")
    ],
    name: Annotated[
        str | None, typer.Option("--as", help="The model's name; by default told from the file.")
    ] = None,
    link: Annotated[
        bool,
        typer.Option(
            "--link", help="Hard-link instead of copying: no extra space, but on one disk only."
        ),
    ] = False,
    accept: Accept = False,
) -> None:
    """Take a model into the folder: an official one, or a checkpoint under a name of your own."""
    settings = Settings.load()
    if (pack := packs.pack_of(settings, name or file.resolve().name)) is not None:
        others = name is not None
        packs.take_in(settings, pack, file, link=link, others=others, accept=accept)
    elif file.is_dir() or file.suffix.casefold() == ".zip":
        raise BadInputError(
            f"{file} is no checkpoint. If it is a face pack, say which: --as {' or '.join(PACKS)}."
        )
    else:
        checkpoints.take_in(settings, file, name, link=link)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="By default every model that is here.")] = None,
) -> None:
    """Hash files anew and compare with what was published, or noted when the file came."""
    settings = Settings.load()
    if (pack := packs.pack_of(settings, name)) is not None:
        good = packs.verify(settings, pack)
    else:
        good = checkpoints.verify(settings, name)
        good &= name is not None or packs.verify_all(settings)
    if not good:
        raise typer.Exit(1)


@app.command()
def rm(name: Name) -> None:
    """Remove a model, what has come of it, and everything that was made from it."""
    settings = Settings.load()
    if (pack := packs.pack_of(settings, name)) is not None:
        packs.remove(settings, pack)
    else:
        checkpoints.remove(settings, name)
