"""``GET /aio/api/search``: a search of the caller's, and why each result is where it is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from immich_aio.domain.explanation import Explanation, FoundLine, FoundWord
from immich_aio.errors import BadInputError
from immich_aio.services.companion.explained import ExplainedPage, ExplainedResult, explained
from immich_aio.services.companion.page_door import PageDoor
from immich_aio.services.companion.searching import Searcher

SIZE = 20
LONGEST = 1000
"""Characters of a query."""
DEEPEST = 50
"""Pages: beyond nobody asks why."""


class SearchPage:
    """The search page and what it asks for."""

    def __init__(self, door: PageDoor, searcher: Searcher) -> None:
        self._door = door
        self._searcher = searcher

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return await self._door.page(request, "search.html")

    async def results(self, request: Request) -> Response:
        """One page of results with their explanations."""
        caller = await self._door.user(request)
        text = request.query_params.get("q", "").strip()
        page = request.query_params.get("page", "1")
        if not text or len(text) > LONGEST:
            raise BadInputError(f"q must be what is searched for, in up to {LONGEST} characters.")
        if not page.isdecimal() or not 1 <= int(page) <= DEEPEST:
            raise BadInputError(f"page must be a number from 1 to {DEEPEST}.")
        found = await explained(self._searcher, caller, text, page=int(page), size=SIZE)
        answer = _page(found) | {"admin": caller.is_admin}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _page(found: ExplainedPage) -> dict[str, object]:
    return {
        "text_only": found.query.text_only,
        "words": found.words,
        "excluded": found.excluded,
        "reason": found.reason,
        "page": found.number,
        "more": found.has_more,
        "results": [_result(result) for result in found.results],
    }


def _result(result: ExplainedResult) -> dict[str, object]:
    explanation = result.explanation
    text = explanation.weights.text * explanation.text_score if explanation.counts else 0.0
    return {
        "rank": result.rank,
        "id": str(result.hit.asset_id),
        "name": result.label.name,
        "taken": result.label.taken.isoformat(timespec="minutes"),
        "score": explanation.total,
        "meaning": explanation.cosine,
        "text": text,
        "text_score": explanation.text_score,
        "counts": explanation.counts,
        "together": explanation.phrase,
        "every": explanation.every,
        "confidence": explanation.confidence,
        "texts": explanation.texts,
        "words": _words(explanation),
        "lines": [_line(line) for line in explanation.lines],
    }


def _words(explanation: Explanation) -> list[dict[str, object]]:
    if not explanation.words:
        return []
    shares = explanation.shares
    return [_word(word, share) for word, share in zip(explanation.words, shares, strict=True)]


def _word(word: FoundWord, share: float) -> dict[str, object]:
    return {
        "alternatives": word.alternatives,
        "match": word.match.name.lower(),
        "containing": word.containing,
        "share": share,
        "lines": word.lines,
    }


def _line(line: FoundLine) -> dict[str, object]:
    return {
        "text": line.text,
        "corners": line.corners,
        "score": line.score,
        "marks": line.marks,
    }
