"""OCR is read here, everything else goes on."""

from __future__ import annotations

from immich_aio.domain.tasks import ClipImageTask, ClipTextTask, FacesTask, OcrTask
from immich_aio.services.gateway.routing import route

OTHERS = (ClipImageTask("a"), FacesTask("b"), ClipTextTask("c"))


def test_ocr_alone_leaves_nothing_for_immichs_server() -> None:
    assert route([OcrTask("m")]).immich == ()


def test_what_is_not_ocr_goes_to_immichs_server_in_its_order() -> None:
    way = route(OTHERS)
    assert way.ocr is None
    assert way.immich == OTHERS


def test_a_mixed_request_is_split_and_no_task_is_lost() -> None:
    way = route([OTHERS[0], OcrTask("m"), *OTHERS[1:]])
    assert way.ocr == OcrTask("m")
    assert way.immich == OTHERS
