"""What the face networks run on, and at which precision."""

from __future__ import annotations

import dataclasses
from typing import Literal

from immich_aio.engines.runtimes import Choice, Device, Runtime, choose, openvino_precision
from immich_aio.errors import UnavailableError


def faces_choice(
    runtime: Runtime, device: Device, precision: Literal["auto", "f32", "bf16"], workers: int
) -> Choice:
    """As many sessions as ``workers``, one core each; see ``choose``.

    Raises UnavailableError for what is not installed here or does not go together.
    """
    choice = choose(runtime, device, workers, setting="FACES_RUNTIME")
    if precision == "auto":
        return choice
    if precision == "bf16" and (choice.runtime != "openvino" or openvino_precision() != "bf16"):
        raise UnavailableError(
            "FACES_PRECISION=bf16: only OpenVINO computes in it, on a CPU that has units for it; "
            "set FACES_PRECISION=auto."
        )
    return dataclasses.replace(choice, precision=precision)
