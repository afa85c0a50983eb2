"""Single-bank RAMs at the nodes of the table: bilinear in log depth and log width."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cache
from typing import Literal, get_args

from kcsim.errors import InputError, Problem
from kcsim.hardware.components.tables import rows_of

Quantity = Literal["read", "write", "leakage", "area", "access"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
NODES = (65.0, 45.0, 32.0, 22.0)
LEAST_WORDS, LEAST_BYTES, MOST_BYTES = 32, 64, 2**25
WIDTHS = (8, 16, 32, 64, 128, 256, 512)
RANGE = "at least 32 words and 64 bytes, at most 32 MiB, words of 8 to 512 bits"
_COLUMNS: dict[Quantity, str] = {
    "read": "read_pj", "write": "write_pj", "leakage": "leakage_mw", "area": "area_mm2",
    "access": "access_ns",
}  # fmt: skip

Logs = dict[tuple[int, int], dict[Quantity, float]]


@cache
def _logs(cell: str, node: float) -> Logs:
    """Logarithms of all quantities, by depth and width."""
    return {
        (int(row["size_bytes"]) * 8 // int(row["width_bits"]), int(row["width_bits"])): {
            name: math.log(float(row[column])) for name, column in _COLUMNS.items()
        }
        for row in rows_of("sram")
        if row["cell"] == cell and float(row["technology_nm"]) == node
    }


def check_ram_size(depth: float, width_bits: float) -> None:
    """Refuse what the table does not reach, with the reason."""
    problem = ""
    if depth < LEAST_WORDS:
        problem = f"an SRAM of {depth:g} words: CACTI has none below {LEAST_WORDS}"
    elif depth * width_bits < 8 * LEAST_BYTES:
        problem = f"an SRAM of {depth * width_bits / 8:g} bytes: CACTI has none below {LEAST_BYTES}"
    elif not WIDTHS[0] <= width_bits <= WIDTHS[-1]:
        problem = f"an SRAM with words of {width_bits:g} bits is outside of the table"
    elif depth * width_bits > 8 * MOST_BYTES:
        size = depth * width_bits / 8 / 2**20
        problem = f"an SRAM of {size:g} MiB is larger than the table, and is not extrapolated"
    if problem:
        kinds = (
            "; smaller ones are register files (kind: register_file), others need a typed energy"
        )
        raise InputError(Problem(problem, RANGE + kinds))


def ram_quantities(
    cell: str, node: float, depth: float, width_bits: float
) -> dict[Quantity, float]:
    """Read and write [pJ], leakage [mW], area [mm2] and access time [ns] at a node of the table.

    Parameters
    ----------
    cell : str
    node : float
        One of `NODES`.
    depth, width_bits : float
        Words, and bits of one.

    Raises
    ------
    InputError
        Outside of the table.
    """
    check_ram_size(depth, width_bits)
    table = _logs(cell, node)
    corners = [
        (d, w, a * b)
        for w, b in _between(width_bits, WIDTHS)
        for d, a in _between(depth, _depths(w))
    ]
    return {
        name: math.exp(sum(table[d, w][name] * share for d, w, share in corners))
        for name in QUANTITIES
    }


@cache
def table_rows(depth: float, width_bits: float) -> str:
    """The rows of the table that a size lies between."""
    widths = [w for w, _ in _between(width_bits, WIDTHS)]
    depths = [d for w in widths for d, _ in _between(depth, _depths(w))]
    words, bits = (
        "-".join(f"{n}" for n in dict.fromkeys((min(x), max(x)))) for x in (depths, widths)
    )
    return f"sram.csv, {words} words of {bits} bits"


@cache
def _depths(width: int) -> tuple[int, ...]:
    least = max(LEAST_WORDS, 8 * LEAST_BYTES // width)
    return tuple(2**i for i in range(least.bit_length() - 1, 40) if 2**i * width <= 8 * MOST_BYTES)


def _between(value: float, points: tuple[int, ...]) -> tuple[tuple[int, float], ...]:
    """The points around a value and their shares, on a scale of logarithms.

    Beside a width that the table has, its neighbor may reach less far: there the last two points
    of the neighbor are extended, over less than one doubling.
    """
    above = min(max(bisect_right(points, value), 1), len(points) - 1)
    low, high = points[above - 1], points[above]
    share = math.log(value / low) / math.log(high / low)
    if share == 0:
        return ((low, 1.0),)
    return ((high, 1.0),) if share == 1 else ((low, 1 - share), (high, share))
