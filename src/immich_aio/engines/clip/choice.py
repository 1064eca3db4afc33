"""What Chinese-CLIP runs on, and at which precision."""

from __future__ import annotations

import dataclasses
from typing import Literal

from immich_aio.engines.runtimes import (
    Choice,
    Device,
    Precision,
    Runtime,
    choose,
    is_installed,
    openvino_precision,
)
from immich_aio.errors import UnavailableError


def clip_choice(
    runtime: Runtime, device: Device, precision: Literal["auto"] | Precision, threads: int
) -> Choice:
    """One session a tower, on all ``threads``: a lone picture has them all, others join its batch.

    Raises UnavailableError for what is not installed here or does not go together.
    """
    found = choose(runtime, device, workers=1, setting="CLIP_RUNTIME")
    choice = dataclasses.replace(found, threads=threads)
    if precision == "auto":
        return _automatic(choice, runtime)
    if (why := _refusal(choice, precision)) is not None:
        raise UnavailableError(f"CLIP_PRECISION={precision}: {why}; set CLIP_PRECISION=auto.")
    return dataclasses.replace(choice, precision=precision)


def _automatic(choice: Choice, runtime: Runtime) -> Choice:
    if choice.device == "cuda":
        return dataclasses.replace(choice, precision="f16")
    openvino_in_f32 = (choice.runtime, choice.precision) == ("openvino", "f32")
    if runtime == "auto" and openvino_in_f32 and is_installed("onnxruntime"):
        # In float32 OpenVINO keeps every weight twice, for no more speed than ONNX Runtime's.
        why = "this CPU has no bf16 units"
        return dataclasses.replace(choice, runtime="onnxruntime", reason=why)
    return choice


def _refusal(choice: Choice, precision: Precision) -> str | None:
    """Why a precision cannot be had, in words."""
    if precision == "bf16" and choice.runtime != "openvino":
        return "only OpenVINO computes in it"
    if precision == "bf16" and openvino_precision() != "bf16":
        return "this CPU has no units for it"
    if precision == "f16" and choice.device != "cuda":
        return "only an NVIDIA GPU computes in it"
    if precision in {"int8", "bf16"} and choice.device == "cuda":
        return "on an NVIDIA GPU there are f16 and f32"
    return None
