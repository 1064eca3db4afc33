"""Immich's own words that several parts share: releases, kinds of assets, who sees them."""

from __future__ import annotations

from enum import Enum


class Shape(Enum):
    """The oldest and the newest Immich that are spoken: their tables and replies differ."""

    V2_2 = "2.2"
    V3_1 = "3.1"


class AssetType(Enum):
    """What an asset is."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    OTHER = "OTHER"


class Visibility(Enum):
    """Where an asset is shown. Hidden ones are the video halves of live photos."""

    ARCHIVE = "archive"
    TIMELINE = "timeline"
    HIDDEN = "hidden"
    LOCKED = "locked"


class Order(Enum):
    """By date: oldest or newest first."""

    ASC = "asc"
    DESC = "desc"
