"""The command-line tool ``immich-aio``."""

from __future__ import annotations

import typer

from immich_aio.cli import (
    backfill,
    bench,
    cluster,
    doctor,
    index,
    models,
    ocr,
    sandbox,
    search,
    serve,
)

app = typer.Typer(
    name="immich-aio",
    help="Chinese-aware OCR and CLIP, and faces, for stock Immich.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("ocr")(ocr.ocr)
app.add_typer(models.app, name="models")
app.add_typer(index.app, name="index")
app.command("search")(search.search)
app.add_typer(backfill.app, name="backfill")
app.add_typer(cluster.app, name="cluster")
app.command("sandbox")(sandbox.sandbox)
app.command("doctor")(doctor.doctor)
app.command(
    "bench",
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    },
)(bench.bench)
