"""The gateway's configuration file ↔ its routing table.

    [backends.npu]
    kind = "mt-photos"                  # or "immich", or "engine": the engines of this process
    url = "http://npu:8060"
    key = "its API_AUTH_KEY"
    clip_model = "ViT-B-16"             # the model it has; without one it gets no CLIP
    face_pack = "buffalo_l"             # the pack it has; without one it gets no faces
    weight = 2                          # its share among equals
    limit = 4                           # requests it is given at once
    timeout = 60                        # seconds it has for an image

    [[routes]]                          # the first that fits counts
    task = "clip"                       # or "ocr", "facial-recognition"; without it, all
    type = "visual"                     # or "textual"; without it, both
    model = ["ViT-B-32__openai", "*SigLIP*"]
    order = [["npu", "nas"], "immich"]  # npu and nas share the work; immich when both cannot

Every refusal raises BadInputError with the key at fault, or the line where the file is no TOML.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, get_args
from urllib.parse import urlsplit

from immich_aio.domain.face_packs import PACKS, pack_named
from immich_aio.domain.routes import (
    TASK_NAMES,
    BackendKind,
    BackendSpec,
    Order,
    RoutingTable,
    Rule,
    mixed_vectors,
)
from immich_aio.errors import BadInputError
from immich_aio.wire.json_reader import JsonNode

Choice = TypeVar("Choice")

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BACKEND_KEYS = ("kind", "url", "key", "clip_model", "face_pack", "weight", "limit", "timeout")
_ROUTE_KEYS = ("task", "type", "model", "order")


def parse_config(text: str, file: str, clip_model: str = "", face_pack: str = "") -> RoutingTable:
    """Read the file's text. ``file`` is what messages call it; ``clip_model`` and ``face_pack`` are
    those of this process's engines, which settings choose, or empty.
    """
    try:
        document = JsonNode(tomllib.loads(text), file, BadInputError)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{file} is not TOML: {error}.") from None
    top = _table(document, ("backends", "routes"))
    for name, node in document.get("backends").members().items():
        if not _NAME.fullmatch(name):
            node.refuse("a name has letters, digits, dots, dashes and underscores, at most 64")
    backends = tuple(
        replace(_engine(name, node), clip_model=clip_model, face_pack=face_pack)
        if _kind(node) == "engine"
        else _server(name, node)
        for name, node in document.get("backends").members().items()
    )
    if not backends or "routes" not in top:
        document.refuse("needs at least one [backends.NAME] and one [[routes]]")
    rules = tuple(_rule(node, backends) for node in top["routes"].items())
    return RoutingTable(backends, rules)


def _kind(node: JsonNode) -> BackendKind:
    kind: BackendKind = _one_of(node.get("kind"), get_args(BackendKind))
    return kind


def _engine(name: str, node: JsonNode) -> BackendSpec:
    keys = _table(node, ("kind", "weight", "limit"))
    return BackendSpec(name, "engine", weight=_weight(keys), limit=_limit(keys))


def _server(name: str, node: JsonNode) -> BackendSpec:
    keys = _table(node, _BACKEND_KEYS)
    kind = _kind(node)
    for key in ("clip_model", "face_pack"):
        if kind == "immich" and key in keys:
            keys[key].refuse("is for MT-Photos servers; Immich's have every model it lists")
    return BackendSpec(
        name,
        kind,
        url=_url(node.get("url")),
        key=keys["key"].name() if "key" in keys else "",
        weight=_weight(keys),
        limit=_limit(keys),
        timeout=keys["timeout"].number(0.1, 86_400) if "timeout" in keys else None,
        clip_model=keys["clip_model"].name() if "clip_model" in keys else "",
        face_pack=_pack(keys["face_pack"]) if "face_pack" in keys else "",
    )


def _pack(node: JsonNode) -> str:
    return pack_named(node.name()) or node.refuse(f"must be one of {', '.join(PACKS)}")


def _weight(keys: Mapping[str, JsonNode]) -> float:
    return keys["weight"].number(0.01, 1000) if "weight" in keys else 1.0


def _limit(keys: Mapping[str, JsonNode]) -> int | None:
    return keys["limit"].positive_int() if "limit" in keys else None


def _rule(node: JsonNode, backends: tuple[BackendSpec, ...]) -> Rule:
    keys = _table(node, _ROUTE_KEYS)
    task = keys["task"].name() if "task" in keys else "*"
    kind = _one_of(keys["type"], ("visual", "textual")) if "type" in keys else "*"
    if kind != "*" and task != "clip":
        keys["type"].refuse('belongs to task = "clip"')
    model = keys.get("model")
    rule = Rule(
        _order(node.get("order"), [backend.name for backend in backends]),
        task,
        kind,
        () if model is None else tuple(each.name() for each in _listed(model)),
    )
    _refuse_what_cannot_be(node, rule, backends)
    return rule


def _order(node: JsonNode, known: Collection[str]) -> Order:
    groups = tuple(tuple(name.name() for name in _listed(group)) for group in node.items())
    named = [name for group in groups for name in group]
    if not named or not all(groups):
        node.refuse("names no backend")
    for name in named:
        if name not in known:
            node.refuse(f"there is no [backends.{name}]; there are {', '.join(known)}")
        if named.count(name) > 1:
            node.refuse(f"names {name} twice; give it a weight instead")
    return groups


def _refuse_what_cannot_be(node: JsonNode, rule: Rule, backends: tuple[BackendSpec, ...]) -> None:
    kind = TASK_NAMES.get(rule.task)
    named = {name for group in rule.order for name in group}
    for backend in backends:
        if backend.name in named and kind is not None and not backend.serves(kind):
            node.refuse(_why_not(backend, rule.task))
    if mixed := mixed_vectors(backends, rule):
        one, other = (f"{each.name} ({each.vectors(mixed.kind)})" for each in mixed.backends)
        node.refuse(
            f"the vectors of {one} and of {other} cannot be compared, so one route cannot have "
            f'both; give task = "{mixed.task}" a route of its own, above this one'
        )


def _why_not(backend: BackendSpec, task: str) -> str:
    if task == "clip" and backend.kind == "mt-photos":
        return f"set backends.{backend.name}.clip_model to the CLIP model that it has"
    if task == "clip":
        return f"set CLIP_MODEL, or take {backend.name} out of this route"
    if task == "facial-recognition" and backend.kind == "mt-photos":
        return f"set backends.{backend.name}.face_pack to the pack of models that it has"
    if task == "facial-recognition":
        return f"set FACES_FROM=here, or take {backend.name} out of this route"
    return f"{backend.name} is of kind {backend.kind}, which does not answer {task}"


def _table(node: JsonNode, known: Collection[str]) -> dict[str, JsonNode]:
    members = node.members()
    for name, member in members.items():
        if name not in known:
            member.refuse(f"is not known here; there are {', '.join(known)}")
    return members


def _listed(node: JsonNode) -> list[JsonNode]:
    """The items of a list, or the one thing that stands in the place of a list."""
    return node.items() if isinstance(node.value, list) else [node]


def _one_of(node: JsonNode, choices: Sequence[Choice]) -> Choice:
    chosen = [choice for choice in choices if choice == node.value]
    return chosen[0] if chosen else node.refuse(f"must be one of {', '.join(map(str, choices))}")


def _url(node: JsonNode) -> str:
    url = node.name()
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        node.refuse("must be a URL such as http://npu:8060")
    return url.rstrip("/")
