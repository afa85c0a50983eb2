"""CACTI 7 itself, at points that the table of the library does not have."""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np

from kcsim.errors import InputError
from kcsim.hardware.components.part import Part
from kcsim.hardware.components.standard import StandardLibrary

POINTS = Path(__file__).parents[1] / "data" / "cacti7_points.csv"
QUANTITIES = ("read", "write", "leakage", "area", "access")


def quantities(part):
    """What the library says of a memory, by quantity."""
    found = StandardLibrary().estimate(part)
    figures = {
        **found.energies, "leakage": found.leakage, "area": found.area, "access": found.access_ns
    }  # fmt: skip
    return {name: figures[name].value for name in QUANTITIES if figures.get(name)}


def part_of(row):
    width = int(row["width_bits"])
    return Part(
        "sram", technology_nm=float(row["technology_nm"]), width_bits=width,
        depth=int(row["size_bytes"]) * 8 / width, cell=row["cell"], banks=int(row.get("banks", 1)),
    )  # fmt: skip


@cache
def errors(kind, node=""):
    """Relative errors of the library against CACTI, by quantity; all of its points have some."""
    found = defaultdict(list)
    with POINTS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["set"] == kind and node in ("", row["technology_nm"]):
                try:
                    mine = quantities(part_of(row))
                except InputError as error:
                    raise AssertionError(row) from error
                for name, value in mine.items():
                    found[name].append(abs(value / float(row[name]) - 1))
    return {name: np.array(each) for name, each in found.items()}
