"""The command-line tool as its users run it."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path

import pytest

from immich_aio.cli.serve import _announce
from immich_aio.services.sandbox.embedded.free_port import free_port
from immich_aio.settings import Settings
from tests.acceptance.product import RECEIPT, SAMPLES, run
from tests.acceptance.test_services import BLOCKED
from tests.integration.upstream.servers import SIZE

SIGN = SAMPLES / "sign.jpg"
TOTAL = "合计"


# ---- ocr


def test_ocr_prints_the_text_and_nothing_else(tmp_path: Path) -> None:
    done = run(tmp_path, "ocr", str(RECEIPT))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "全家便利店"
    assert any(TOTAL in line for line in lines)
    assert all(line.strip() for line in lines)


def test_ocr_of_several_files_says_which_text_is_whose(tmp_path: Path) -> None:
    done = run(tmp_path, "ocr", str(SIGN), str(RECEIPT))
    assert done.returncode == 0
    of_sign, of_receipt = done.stdout.split(f"── {RECEIPT} ──")
    assert of_sign.startswith(f"── {SIGN} ──\n欢迎光临")
    assert TOTAL in of_receipt


def test_ocr_as_json_gives_one_line_an_image_in_the_order_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, "ocr", "--json", str(RECEIPT), str(SIGN))
    assert done.returncode == 0
    receipt, sign = map(json.loads, done.stdout.splitlines())
    assert (receipt["file"], sign["file"]) == (str(RECEIPT), str(SIGN))
    assert (receipt["width"], receipt["height"]) == SIZE
    for line in receipt["lines"]:
        assert line.keys() == {"text", "corners", "box_score", "text_score"}
        assert len(line["corners"]) == 4
        assert 0 < line["text_score"] <= 1


def test_broken_files_are_named_and_the_others_are_read_all_the_same(tmp_path: Path) -> None:
    """More files than the smallest queue could hold, and a name that looks like markup."""
    letter, absent = tmp_path / "a [" / "bold] :smile:.jpg", tmp_path / "absent.jpg"
    letter.parent.mkdir()
    letter.write_text("no image")
    done = run(
        tmp_path, "ocr", *map(str, (letter, SIGN, absent, SIGN, SIGN, SIGN)), OCR_QUEUE_SIZE="1"
    )
    assert done.returncode == 1
    assert f"{letter}: " in done.stderr
    assert f"{absent}: cannot be opened: No such file or directory." in done.stderr
    assert str(SIGN) not in done.stderr
    assert done.stdout.count("欢迎光临") == 4
    assert "Traceback" not in done.stderr


# ---- doctor


def test_doctor_names_the_engine_and_why(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", OCR_RUNTIME="onnxruntime")
    assert done.returncode == 0
    assert "ONNX Runtime" in done.stdout
    assert "OCR_RUNTIME" in done.stdout
    assert "IMMICH_API" in done.stdout


def test_doctor_of_a_wrong_setting_names_it(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", DEVICE="tpu")
    assert done.returncode == 1
    assert "DEVICE" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_reads_the_file_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"IMMICH_API=http://127.0.0.1:{free_port()}\n")
    done = run(tmp_path, "doctor")
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout


def test_doctor_says_what_to_install_where_no_engine_is(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", before=("-c", BLOCKED))
    assert done.returncode == 1
    assert "pip install 'immich-aio[cpu]'" in done.stdout


# ---- serve


def test_serve_refuses_a_role_that_does_not_exist(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--roles", "nonsense")
    assert done.returncode == 1
    assert "'nonsense'" in done.stderr
    assert "gateway, ai, companion" in done.stderr


@pytest.mark.parametrize(("roles", "setting"), [("ai", "HTTP_PORT"), ("gateway", "PORT")])
def test_serve_names_the_setting_of_a_port_that_is_taken(
    tmp_path: Path, roles: str, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run(tmp_path, "serve", "--roles", roles, HOST="127.0.0.1", **{setting: port})
    assert done.returncode == 1
    assert f"set {setting}." in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_without_an_engine_says_what_to_install(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", before=("-c", BLOCKED))
    assert done.returncode == 1
    assert "immich-aio[cpu]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_well_known_key_is_warned_of_only_where_others_reach_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing listens here: the announcement comes before."""
    both = frozenset({"ai", "gateway"})
    caplog.set_level(logging.INFO)
    _announce(Settings.load(None), both)
    monkeypatch.setenv("HOST", "::")
    monkeypatch.setenv("API_AUTH_KEY", "our own")
    _announce(Settings.load(None), both)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    monkeypatch.delenv("API_AUTH_KEY")
    _announce(Settings.load(None), both)
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "Set API_AUTH_KEY" in warning.getMessage()


# ---- bench and help


def test_a_benchmark_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    done = run(tmp_path, "bench", "nonsense")
    assert done.returncode == 1
    known = done.stderr.split("Known: ")[1].split(".")[0].split(", ")
    assert {"clip", "faces", "faults", "gateway", "ocr", "retrieval", "search"} <= set(known)
    assert not {"ocr_client", "retrieval_set"} & set(known)
