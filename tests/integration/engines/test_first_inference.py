"""The very first inferences of a process, from several threads at once."""

import subprocess
import sys

import pytest

# Switching threads as often as possible makes the coincidence likely: without the bindings'
# initialisation about every second process hung.
PROGRAM = """
import os, sys, threading
import numpy as np
from immich_aio.engines import runtimes, sessions
from immich_aio.engines.ocr.models import CLASSIFIER, model_folder

model = sessions.load(model_folder() / CLASSIFIER, runtimes.choose("openvino", "cpu", 2))
sys.setswitchinterval(1e-7)
both = threading.Barrier(2)

def infer():
    session = model.session()
    both.wait()
    session.run(np.zeros((1, 3, 48, 192), np.float32))

threads = [threading.Thread(target=infer, daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(30)
os._exit(any(thread.is_alive() for thread in threads))
"""


@pytest.mark.parametrize("attempt", range(4))
def test_two_threads_may_infer_first_at_the_same_moment(attempt: int) -> None:
    command = [sys.executable, "-c", PROGRAM]
    finished = subprocess.run(command, check=False, timeout=90)  # noqa: S603  # our own program
    assert finished.returncode == 0, f"attempt {attempt}: the first inferences never came back"


SILENCE = """
import os, socket, sys

def refuse(event, arguments):
    if event in ("socket.connect", "os.fork", "subprocess.Popen", "socket.getaddrinfo"):
        os.write(2, f"{event} {arguments}".encode())
        os._exit(3)

sys.addaudithook(refuse)
import numpy as np
from immich_aio.engines import runtimes, sessions
from immich_aio.engines.ocr.models import CLASSIFIER, model_folder

choice = runtimes.choose("openvino", "cpu", 1)
session = sessions.load(model_folder() / CLASSIFIER, choice).session()
session.run(np.zeros((1, 3, 48, 192), np.float32))
assert sys.modules["openvino_telemetry"] is None
"""


def test_openvino_reports_to_nobody() -> None:
    command = [sys.executable, "-c", SILENCE]
    done = subprocess.run(command, check=False, timeout=90, capture_output=True)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, b"")
