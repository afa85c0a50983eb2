"""Answers on the mappings of a layer as JSON documents."""

from __future__ import annotations

import math
from operator import attrgetter
from typing import Any

from kcsim.hardware.schema import Hardware
from kcsim.mapping.search import Front
from kcsim.report.answers_data import Answers, tight_parts
from kcsim.report.records import Record
from kcsim.report.shared_records import HARDWARE, LOOPS, VERSIONS
from kcsim.workload.layer import ConvLayer

_OBJECTIVES = ("edp", "energy", "cycles")

RANKED = Record(
    "Ranked", "One of the best mappings that differ.",
    "rank energy cycles edp behind proved gap? spread mapping note",
    {"gap": lambda ranked: None if math.isnan(ranked.gap) else ranked.gap},
    {"mapping": LOOPS},
)  # fmt: skip

TIGHT = Record(
    "Tight", "What a store has of room, and a part of the hardware of cycles.",
    "component holds used_bits? capacity_bits? capacity_used? busy_cycles? share_of_cycles?",
)  # fmt: skip

GAIN = Record(
    "Gain", "What a little more of one part of the hardware would give.",
    "level holds change energy cycles edp proved saved? saved_share?",
    {
        "cycles": lambda gain: round(gain.cycles),
        "proved": attrgetter("search.proved"),
    },
)  # fmt: skip

INSIGHT = Record(
    "Insight", "Why the best mapping is the best.", "bound_by tight gains",
    {
        "bound_by": attrgetter("estimate.cycles.bound_by"),
        "tight": lambda insight: list(tight_parts(insight)),
        "gains": lambda insight: list(insight.gains),
    },
    {"tight": TIGHT, "gains": GAIN},
)  # fmt: skip

ANSWERS_DOCUMENT = Record(
    "Mappings", "What `kcsim map` prints with `--best` or `--why` and `--format json`.",
    "schema versions hardware layer dimensions objective fixed differ ranked insight?",
    {
        "schema": lambda _: "kcsim.mappings/1",
        "versions": lambda answers: answers,
        "layer": attrgetter("layer.name"),
        "dimensions": attrgetter("layer.dimensions"),
        "fixed": lambda answers: answers.ranking[0].fixed,
    },
    {"versions": VERSIONS, "hardware": HARDWARE, "ranked": RANKED, "insight": INSIGHT},
    {
        "schema": ("kcsim.mappings/1",), "objective": _OBJECTIVES, "differ": ("spreads", "tiles"),
    },
)  # fmt: skip

POINT = Record(
    "FrontPoint", "A mapping that no other beats in both energy and cycles.",
    "energy cycles edp mapping",
    {
        "cycles": lambda point: round(point.cycles),
        "edp": lambda point: point.energy * point.cycles,
        "mapping": attrgetter("mapping.levels"),
    },
    {"mapping": LOOPS},
)  # fmt: skip

FRONT_DOCUMENT = Record(
    "Front", "What `kcsim front` prints with `--format json`.",
    "schema versions hardware layer dimensions fixed proved note points",
    {
        "schema": lambda _: "kcsim.front/1",
        "versions": lambda found: found,
        "hardware": lambda found: found[1],
        "layer": lambda found: found[0].name,
        "dimensions": lambda found: found[0].dimensions,
        "fixed": lambda found: found[2].fixed,
        "proved": lambda found: not found[2].note,
        "note": lambda found: found[2].note,
        "points": lambda found: list(found[2]),
    },
    {"versions": VERSIONS, "hardware": HARDWARE, "points": POINT},
    {"schema": ("kcsim.front/1",)},
)  # fmt: skip


def answers_to_dict(answers: Answers) -> dict[str, Any]:
    """Answers in plain types, for JSON."""
    return ANSWERS_DOCUMENT.write(answers)


def front_to_dict(layer: ConvLayer, hardware: Hardware, front: Front) -> dict[str, Any]:
    """A front in plain types, for JSON."""
    return FRONT_DOCUMENT.write((layer, hardware, front))
