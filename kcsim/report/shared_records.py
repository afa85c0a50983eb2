"""Records that several documents consist of: versions, the hardware, loops, how they were found."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

import kcsim
from kcsim.hardware.areas import chip_area_mm2, described_components
from kcsim.hardware.description import Origin
from kcsim.hardware.notes import hardware_notes
from kcsim.mapping.nest import LevelLoops
from kcsim.report.records import Record


def _as_texts(name: str) -> Callable[[LevelLoops], list[str]]:
    return lambda loops: [str(loop) for loop in getattr(loops, name)]


def _of_origin(name: str) -> Callable[[tuple[str, Origin]], Any]:
    return lambda pair: getattr(pair[1], name)


VERSIONS = Record(
    "Versions", "What computed it.", "kcsim python numpy",
    {
        "kcsim": lambda _: kcsim.__version__,
        "python": lambda _: platform.python_version(),
        "numpy": lambda _: np.__version__,
    },
)  # fmt: skip

COMPONENT = Record(
    "Component", "A part of the hardware that stores or computes.",
    "component part_kind part_count instance_area_mm2? area_mm2? leakage_mw? note",
    {
        "component": attrgetter("name"),
        "part_kind": attrgetter("kind"),
        "part_count": attrgetter("instances"),
        "instance_area_mm2": attrgetter("area_mm2"),
        "area_mm2": attrgetter("total_area_mm2"),
        "leakage_mw": attrgetter("total_leakage_mw"),
    },
)  # fmt: skip

DERIVED = Record(
    "Derived", "A number of the hardware that follows from what a part is.",
    "place value unit_name rule low high sources library",
    {
        "place": lambda pair: pair[0],
        "unit_name": lambda pair: pair[1].unit,
        **{
            name: _of_origin(name)
            for name in ("value", "rule", "low", "high", "sources", "library")
        },
    },
)  # fmt: skip

HARDWARE = Record(
    "Hardware", "The hardware.",
    "name energy_unit clock_mhz? levels mac_units area_mm2? layout_factor components derived notes",
    {
        "levels": attrgetter("level_names"),
        "area_mm2": chip_area_mm2,
        "components": described_components,
        "derived": lambda hardware: list(hardware.provenance.items()),
        "notes": hardware_notes,
    },
    {"components": COMPONENT, "derived": DERIVED},
    {"energy_unit": ("pJ", "MAC")},
)  # fmt: skip

LOOPS = Record(
    "Loops", "The loops of one level.", "level temporal spatial_x spatial_y bypass heights",
    {name: _as_texts(name) for name in ("temporal", "spatial_x", "spatial_y")},
)  # fmt: skip

SEARCH = Record(
    "Search", "How the mapping of a layer was found.", "proved gap? mappings evaluated fixed note",
    {
        "proved": attrgetter("proved"),
        "gap": lambda search: None if math.isnan(search.gap) else search.gap,
    },
)  # fmt: skip
