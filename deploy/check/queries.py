"""What a query of Prometheus asks for: names of metrics, and labels. Enough of its language for
what our panels and alerts say; Prometheus itself reads them in ``./aio deploy-check monitoring``.
"""

from __future__ import annotations

import re

_FUNCTIONS = {"sum", "max", "min", "rate", "increase", "histogram_quantile", "by"}
_GROUPS = re.compile(r"\bby\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"\{([^}]*)\}")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORD = re.compile(r"[a-zA-Z_]\w*")
_RANGE = re.compile(r"\[[^\]]*\]")
_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")


def asked_for(expr: str) -> list[tuple[str, set[str]]]:
    """Each metric with the labels that are asked of it."""
    bare = _RANGE.sub("", _STRING.sub('""', expr))
    grouped = {word for inner in _GROUPS.findall(bare) for word in _WORD.findall(inner)} - {"le"}
    bare = _GROUPS.sub(" ", bare)
    found = []
    for match in re.finditer(rf"({_WORD.pattern})\s*({_MATCHERS.pattern})?", bare):
        name, matchers = match[1], match[3] or ""
        before = bare[: match.start()]
        inside = before.count("{") > before.count("}")
        number = re.search(r"\d\.?$", before)
        if name in _FUNCTIONS or inside or number:
            continue
        found.append((name, grouped | set(_MATCHER.findall(matchers))))
    return found
