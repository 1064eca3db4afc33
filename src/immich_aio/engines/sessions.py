"""Model sessions on ONNX Runtime or OpenVINO.

A ``Model`` is loaded once and shared; every worker thread has a ``Session`` of its own over it, and
no scratch memory is ever shared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from immich_aio.engines import cuda
from immich_aio.engines.exact_ends import split_ends
from immich_aio.engines.runtimes import Choice, Precision, openvino_module, openvino_precision
from immich_aio.errors import UnavailableError

Tensor = NDArray[np.float32]
Shape = tuple[int | None, ...]

QUANTISED_BLOCK = 32
"""Numbers that share one scale in int8: on the trained BERT of all-MiniLM-L6-v2 the cosine to
float32 was 0.9995 with blocks of 32, 0.9985 with 128, and 0.994 with one scale a tensor."""

_GPU_REMEDY = "which may be full: see nvidia-smi; what else runs there, or DEVICE=cpu, makes room."


class Session(Protocol):
    """One worker's way into a model; not for two threads at once."""

    def run(self, batch: NDArray[Any]) -> Tensor:
        """The model's first output for its one input; valid until the session's next call."""
        ...

    def run_all(self, batch: NDArray[Any]) -> list[Tensor]:
        """Every output, in the file's order; as ``run``."""
        ...


class Model(Protocol):
    """Loaded weights, shared by all sessions."""

    def session(self) -> Session:
        """A session for one worker."""
        ...

    def metadata(self, key: str) -> str:
        """A text stored in the model file; KeyError where there is none."""
        ...

    def input_shape(self) -> Shape:
        """The shape of its one input; None where any length will do."""
        ...


def load(
    path: Path, choice: Choice, shape: tuple[int, ...] | None = None, *, exact_ends: bool = False
) -> Model:
    """Load an ONNX file on what was chosen.

    Who always gives an input of one ``shape`` should say so: OpenVINO prepares for it once. With
    ``exact_ends`` the last layers are computed in float32 (see ``exact_ends.py``).
    """
    if choice.runtime == "openvino":
        return OpenVinoModel(path, choice, shape, exact_ends=exact_ends)
    return OnnxRuntimeModel(path, choice)


class OpenVinoModel:
    """A compiled OpenVINO model with one stream for each worker."""

    def __init__(
        self,
        path: Path,
        choice: Choice,
        shape: tuple[int, ...] | None = None,
        *,
        exact_ends: bool = False,
    ) -> None:
        openvino = openvino_module()
        _initialise_bindings()
        model = openvino.Core().read_model(path)
        sides = model.inputs[0].get_partial_shape()
        self._shape = tuple(side.get_length() if side.is_static else None for side in sides)
        if shape is not None:
            model.reshape(list(shape))
        info = model.get_rt_info()
        # Not a dict: it has no get.
        self._info: Any = info["framework"] if "framework" in info else {}  # noqa: SIM401
        if exact_ends and choice.precision != "f32":
            split = split_ends(model)
            self._compiled = [
                _compiled(split.trunk, choice, choice.precision),
                _compiled(split.ends, choice, "f32"),
            ]
        else:
            self._compiled = [_compiled(model, choice, choice.precision)]

    def session(self) -> Session:
        """A session over inference requests of its own."""
        return _OpenVinoSession([each.create_infer_request() for each in self._compiled])

    def metadata(self, key: str) -> str:
        """A text of the model file."""
        return str(self._info[key].value)

    def input_shape(self) -> Shape:
        """As the model file has it."""
        return self._shape


def _compiled(model: Any, choice: Choice, precision: Precision) -> Any:  # noqa: ANN401  # as above
    """Ready to run, with a stream for each worker."""
    core = openvino_module().Core()
    how = {
        **_openvino_precision(precision),
        "NUM_STREAMS": choice.workers,
        "INFERENCE_NUM_THREADS": choice.workers * choice.threads,
        # Pinning, the default, puts the streams of two processes on one core; threads of one
        # process share their weights, so a stream each is all that is needed.
        "ENABLE_CPU_PINNING": False,
    }
    return core.compile_model(model, "CPU", how)


def _openvino_precision(precision: Precision) -> dict[str, object]:
    """What makes OpenVINO compute in this precision."""
    if precision != "int8":
        return {"INFERENCE_PRECISION_HINT": precision}
    # Weights come quantised; these many numbers of the other factor share a scale.
    return {
        "INFERENCE_PRECISION_HINT": openvino_precision(),
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": QUANTISED_BLOCK,
    }


def _initialise_bindings() -> None:
    """Make OpenVINO's Python bindings set up their table of NumPy types, on this one thread.

    They do it on the first inference, behind a C++ guard that is held while the interpreter lock
    is let go: two threads whose first inferences coincide wait for each other for ever (seen with
    OpenVINO 2026.4.1).
    """
    openvino = openvino_module()
    openvino.Tensor(np.zeros((1,), np.float32), shared_memory=False).get_element_type().to_dtype()


class _OpenVinoSession:
    """One request after the other, each for what the one before gives."""

    def __init__(self, requests: list[Any]) -> None:  # OpenVINO has no usable types
        self._requests = requests

    def run(self, batch: NDArray[Any]) -> Tensor:
        return self.run_all(batch)[0]

    def run_all(self, batch: NDArray[Any]) -> list[Tensor]:
        first, *others = self._requests
        first.infer([batch], share_inputs=True, share_outputs=True)
        outputs = first.output_tensors
        for request in others:
            for index, tensor in enumerate(outputs):
                request.set_input_tensor(index, tensor)
            request.infer()
            outputs = request.output_tensors
        return [tensor.data for tensor in outputs]


class OnnxRuntimeModel:
    """An ONNX Runtime session; its ``run`` may be called from several threads at once."""

    def __init__(self, path: Path, choice: Choice) -> None:
        import onnxruntime  # noqa: PLC0415  # heavy, and absent in a gateway

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = choice.threads
        options.inter_op_num_threads = 1
        # The arena keeps the largest block of every shape it has met, and never gives one back.
        options.enable_cpu_mem_arena = False
        providers: list[Any] = ["CPUExecutionProvider"]
        if choice.device == "cuda":
            providers.insert(0, (cuda.PROVIDER, cuda.OPTIONS))
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        if choice.device == "cuda" and cuda.PROVIDER not in self._session.get_providers():
            raise UnavailableError(f"{path.name} could not be loaded onto the GPU, {_GPU_REMEDY}")
        self._input = self._session.get_inputs()[0].name
        self._in_few_batches = choice.device == "cuda"

    def session(self) -> Session:
        """A session; the workers share the underlying one, which allows it."""
        session = _OnnxRuntimeSession(self._session, self._input)
        return InFewBatches(session) if self._in_few_batches else session

    def metadata(self, key: str) -> str:
        """A text of the model file."""
        texts: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return texts[key]

    def input_shape(self) -> Shape:
        """As the model file has it."""
        sides = self._session.get_inputs()[0].shape
        return tuple(side if isinstance(side, int) else None for side in sides)


class _OnnxRuntimeSession:
    def __init__(self, session: Any, name: str) -> None:  # noqa: ANN401  # no types published
        self._session = session
        self._name = name

    def run(self, batch: NDArray[Any]) -> Tensor:
        return self.run_all(batch)[0]

    def run_all(self, batch: NDArray[Any]) -> list[Tensor]:
        outputs: list[Tensor] = self._session.run(None, {self._name: batch})
        return outputs


class InFewBatches:
    """A session whose batches are filled up to a power of two, for few shapes on a GPU.

    cuDNN plans each convolution anew for each shape, which takes it far longer than to compute it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, batch: NDArray[Any]) -> Tensor:
        """As of the session."""
        return self.run_all(batch)[0]

    def run_all(self, batch: NDArray[Any]) -> list[Tensor]:
        """As of the session; what comes of the filling is cut off."""
        count = len(batch)
        size = 1 << (count - 1).bit_length()
        if size == count:
            return self._session.run_all(batch)
        filling = np.zeros((size - count, *batch.shape[1:]), batch.dtype)
        outputs = self._session.run_all(np.concatenate([batch, filling]))
        return [output[: len(output) * count // size] for output in outputs]
