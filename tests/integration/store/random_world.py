"""Random libraries, and random searches that find something in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import numpy as np

from immich_aio.domain.asset_search import AssetFilters, SearchScope
from immich_aio.domain.immich import AssetType, Visibility
from tests.integration.store.photos import DAY, DIMENSIONS, Photo, Vector, World

WORDS = [
    "增值税电子普通发票",
    "增值稅電子普通發票",
    "发票",
    "收据",
    "收據",
    "杭州",
    "上海虹桥",
    "酒店",
    "入住",
    "电子客票",
    "中国铁路",
    "二维码",
    "禁止吸烟",
    "营业执照",
    "身份证",
    "出租车",
    "药品说明书",
    "拉面",
    "ラーメン",
    "温泉",
    "東京駅",
    "한국어",
    "인천공항",
    "invoice",
    "receipt",
    "total",
    "hotel",
    "Shanghai",
    "boarding",
    "pass",
    "café",
    "no",
    "ok",
    "wifi",
    "parking",
    "2026-04-18",
    "沪A·D39527",
    "12345678",
    "13800138000",
    "¥1,234.50",
    "88",
    "G7311",
    "SF-1029/33",
]
CITIES = ["杭州", "Shanghai", "Taipei"]


def dice_of(seed: int) -> random.Random:
    """Chance that can be had again."""
    return random.Random(seed)  # noqa: S311  # repeatable, not secret


def random_vector(dice: random.Random) -> Vector:
    """Of eight numbers that count, and length one: few enough that some are near each other."""
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[:8] = [dice.gauss(0, 1) for _ in range(8)]
    return vector / np.linalg.norm(vector)


def random_id(dice: random.Random) -> UUID:
    return UUID(int=dice.getrandbits(128), version=4)


def random_world(dice: random.Random, count: int) -> World:
    """A library with photos of every kind; some are twins."""
    users = [random_id(dice) for _ in range(3)]
    world = World(
        users,
        photos=[],
        albums=[random_id(dice) for _ in range(3)],
        persons=[random_id(dice) for _ in range(3)],
        stack=random_id(dice),
    )
    for _ in range(5):
        above = dice.choice([None, *world.tags])
        world.tags[random_id(dice)] = above
    for _ in range(count):
        world.photos.append(_photo(dice, world))
    world.photos[0].is_stacked = True
    for photo in dice.sample(world.photos[1:], 3):
        photo.is_stacked = True
    return world


def _photo(dice: random.Random, world: World) -> Photo:
    photo = Photo(random_id(dice), dice.choice(world.users))
    if world.photos and dice.random() < 0.15:  # a twin, to tell apart by nothing but its id
        other = dice.choice(world.photos)
        photo.lines, photo.vector, photo.taken = other.lines, other.vector, other.taken
    else:
        photo.lines = [_line(dice) for _ in range(dice.choice([0, 1, 1, 2, 3, 6]))]
        photo.vector = random_vector(dice) if dice.random() < 0.85 else None
        photo.taken = DAY + timedelta(days=dice.randrange(20))
    photo.hidden_lines = [_line(dice)[0]] if dice.random() < 0.2 else []
    photo.visibility = dice.choices(list(Visibility), [2, 10, 1, 2])[0]
    photo.deleted = DAY if dice.random() < 0.1 else None
    photo.is_favorite, photo.is_offline = dice.random() < 0.3, dice.random() < 0.05
    photo.type = dice.choices(list(AssetType), [6, 2, 1, 1])[0]
    if dice.random() < 0.8:
        photo.exif = {
            "city": dice.choice([None, *CITIES]),
            "make": dice.choice([None, "Apple"]),
            "rating": dice.choice([None, 1, 5]),
        }
    for found, known in (
        (photo.albums, world.albums),
        (photo.tags, list(world.tags)),
        (photo.persons, world.persons),
        (photo.gone_persons, world.persons),
    ):
        found.update(one for one in known if dice.random() < 0.25)
    photo.gone_persons -= photo.persons
    return photo


def _line(dice: random.Random) -> tuple[str, float]:
    words = [_misread(dice, dice.choice(WORDS)) for _ in range(dice.randint(1, 4))]
    return dice.choice(["", " "]).join(words), dice.choice([0.4, 0.7, 0.9, 0.95, 0.99])


def _misread(dice: random.Random, word: str) -> str:
    """A word, now and then with a wrong, missing, additional or swapped character."""
    if dice.random() > 0.15 or len(word) < 3:
        return word
    at = dice.randrange(len(word) - 1)
    return dice.choice(
        [
            word[:at] + "口" + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + "l" + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )


def random_query(dice: random.Random, world: World) -> str:
    """Words, parts of words, phrases and operators, most of which are in some text."""
    lines = [text for photo in world.photos for text, _ in photo.lines if text]

    def part() -> str:
        line = dice.choice(lines)
        start = dice.randrange(len(line))
        return line[start : start + dice.randint(1, 8)]

    makes: list[Callable[[], str]] = [
        lambda: dice.choice(WORDS),
        lambda: dice.choice(WORDS),
        part,
        lambda: _misread(dice, dice.choice(WORDS)),
        lambda: f'"{part()}"',
        lambda: f"“{dice.choice(WORDS)} {dice.choice(WORDS)}”",
        lambda: f"-{dice.choice(WORDS)}",
        lambda: f"{dice.choice(WORDS)} OR {part()}",
        lambda: "nothing",
    ]
    words = " ".join(dice.choice(makes)() for _ in range(dice.choice([1, 1, 2, 2, 3, 5])))
    return dice.choice(["", "", "ocr:", "OCR：", " ocr :"]) + words


def random_filters(dice: random.Random, world: World) -> AssetFilters:
    """None or several of them."""
    choices: dict[str, Callable[[], object]] = {
        "type": lambda: dice.choice(list(AssetType)),
        "visibility": lambda: dice.choice(list(Visibility)),
        "is_favorite": lambda: dice.random() < 0.5,
        "is_offline": lambda: dice.random() < 0.5,
        "is_not_in_album": lambda: dice.random() < 0.5,
        "taken_after": lambda: DAY + timedelta(days=dice.randrange(20)),
        "taken_before": lambda: DAY + timedelta(days=dice.randrange(20)),
        "trashed_after": lambda: DAY,
        "city": lambda: dice.choice([None, *CITIES]),
        "make": lambda: dice.choice([None, "Apple"]),
        "rating": lambda: dice.choice([None, 1, 5]),
        "person_ids": lambda: tuple(dice.sample(world.persons, dice.randint(1, 2))),
        "album_ids": lambda: tuple(dice.sample(world.albums, dice.randint(1, 2))),
        "tag_ids": lambda: dice.choice([None, tuple(dice.sample(list(world.tags), 1))]),
        "with_deleted": lambda: dice.random() < 0.5,
        "with_stacked": lambda: dice.random() < 0.5,
    }
    names = dice.sample(list(choices), dice.choice([0, 0, 0, 1, 1, 2]))
    return AssetFilters(**{name: choices[name]() for name in names})  # type: ignore[arg-type]


def random_scope(dice: random.Random, world: World) -> SearchScope:
    """One user's, with partners or without; or everybody's, as for an album."""
    users = dice.sample(world.users, dice.choice([1, 1, 1, 2]))
    return SearchScope(tuple(users) if dice.random() < 0.9 else None, elevated=dice.random() < 0.3)
