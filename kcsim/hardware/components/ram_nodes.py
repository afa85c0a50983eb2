"""RAMs at any node from 7 to 90 nm: between, above and below the nodes of CACTI's table."""

from __future__ import annotations

import math
from functools import cache

from kcsim.errors import InputError, Problem
from kcsim.hardware.components.figure import Figure
from kcsim.hardware.components.interpolation import log_log
from kcsim.hardware.components.part import Part
from kcsim.hardware.components.ram_grid import NODES, Quantity, ram_quantities, table_rows
from kcsim.hardware.components.ram_ratios import node_ratio
from kcsim.hardware.components.tables import rows_of

MOST_NODE, LEAST_NODE = 90.0, 7.0
UNITS: dict[Quantity, str] = {
    "read": "pJ", "write": "pJ", "leakage": "mW", "area": "mm2", "access": "ns",
}  # fmt: skip
_BARS: dict[Quantity, float] = {
    "read": 0.16,
    "write": 0.1,
    "leakage": 0.1,
    "area": 0.1,
    "access": 0.1,
}
"""p90 of the interpolation error in depth and width, measured against CACTI."""
_GRID = "CACTI 7 RAM, bilinear in log depth and log width of the table"


def check_node(node: float) -> None:
    """Refuse nodes that no rule reaches."""
    if not LEAST_NODE <= node <= MOST_NODE:
        problem = f"technology_nm is {node:g}: no table reaches there"
        raise InputError(Problem(problem, f"{LEAST_NODE:g} to {MOST_NODE:g} nm"))


def ram_figures(part: Part) -> dict[Quantity, Figure]:
    """Energy of a read and of a write, area and, where it is known, leakage and access time.

    Parameters
    ----------
    part : Part
        One bank, one port, at 300 K.

    Raises
    ------
    InputError
        Outside of the table.
    """
    node = part.node
    check_node(node)
    if node in NODES:
        found = ram_quantities(part.cell, node, part.depth, part.width_bits)
        return {name: _figure(part, name, value, _GRID) for name, value in found.items()}
    if node > NODES[0]:
        return _above(part)
    return _below(part) if node < NODES[-1] else _between(part)


def _figure(part: Part, name: Quantity, value: float, rule: str, spread: float = 0.0) -> Figure:
    bar = _BARS[name] + spread
    inputs = (
        ("cell", part.cell),
        ("nm", part.node),
        ("words", part.depth),
        ("bits", part.width_bits),
        ("table", table_rows(part.depth, part.width_bits)),
    )
    return Figure(value, UNITS[name], rule, inputs, ("cacti7",), 1 / (1 + bar), 1 + bar)


def _between(part: Part) -> dict[Quantity, Figure]:
    """Log-log in node for all but leakage, which only a ratio of CACTI's own answers may give."""
    node = part.node
    upper = min(each for each in NODES if each > node)
    lower = max(each for each in NODES if each < node)
    low, high = (ram_quantities(part.cell, n, part.depth, part.width_bits) for n in (lower, upper))
    rule = f"{_GRID} at {lower:g} and {upper:g} nm, log-log in node"
    figures: dict[Quantity, Figure] = {}
    for name in low:
        if name != "leakage":
            value = log_log({lower: low[name], upper: high[name]}, node)
            figures[name] = _figure(part, name, value, rule, 0.08)
    return figures | _leakage_by_ratio(part)


def _leakage_by_ratio(part: Part) -> dict[Quantity, Figure]:
    ratio = node_ratio(part.node, part.cell, "leakage")
    if ratio is None:
        return {}
    over = float(ratio.over.removesuffix(" nm"))
    value = ram_quantities(part.cell, over, part.depth, part.width_bits)["leakage"] * ratio.median
    rule = f"{_GRID} at {over:g} nm, times {ratio.median:g}: CACTI at {part.node:g} over {over:g}"
    return {"leakage": _figure(part, "leakage", value, rule, 0.15)}


def _above(part: Part) -> dict[Quantity, Figure]:
    """Up to 90 nm: by a power of the node that meets CACTI's own ratio of 90 over 65 nm."""
    base = ram_quantities(part.cell, NODES[0], part.depth, part.width_bits)
    exponent = math.log(part.node / NODES[0]) / math.log(MOST_NODE / NODES[0])
    figures: dict[Quantity, Figure] = {}
    for name, value in base.items():
        ratio = node_ratio(MOST_NODE, "LSTP", name)
        if name == "leakage":
            continue
        if ratio is None:
            raise AssertionError(name)
        rule = f"{_GRID} at 65 nm, times {ratio.median:g} at 90 nm, a power of the node between"
        figures[name] = _figure(part, name, value * ratio.median**exponent, rule, 0.17)
    return figures | _leakage_by_ratio(part)


def _below(part: Part) -> dict[Quantity, Figure]:
    """Down to 7 nm: log-log between CACTI at 22 nm and the table of Jouppi et al. at 7 nm.

    That table has reads of three sizes at 64 bits; other sizes and widths keep the ratio that it
    has to CACTI's, log-log in size, and that of the nearest size outside. Writes go with reads.
    Compilers of 12 nm reach about the area of CACTI's 22 nm (0.73 to 1.2 against 0.87 mm2 a MB),
    so that area falls from there with the square of the node, 12 nm standing for 22.
    """
    node, edge = part.node, NODES[-1]
    base = ram_quantities(part.cell, edge, part.depth, part.width_bits)
    share = math.log(edge / node) / math.log(edge / LEAST_NODE)
    ratio = _ratio_at_7nm(part.cell, part.size_bytes)
    rule = (
        f"{_GRID} at 22 nm, log-log in node to 7 nm, where Jouppi et al. have {ratio:.3g} times as "
        "much at this size"
    )
    figures: dict[Quantity, Figure] = {}
    accesses: tuple[Quantity, ...] = ("read", "write")
    for name in accesses:
        found = _figure(part, name, base[name] * ratio**share, rule)
        figures[name] = _wide(found).citing("jouppi2021")
    area = min(1.0, (node / 12) ** 2)
    text = f"{_GRID} at 22 nm, which macros of 12 nm reach; below with the square of the node"
    figures["area"] = _wide(_figure(part, "area", base["area"] * area, text))
    return figures


def _wide(figure: Figure) -> Figure:
    return Figure(figure.value, figure.unit, figure.rule, figure.inputs, figure.sources, 0.5, 2.0)


@cache
def _ratio_at_7nm(cell: str, size_bytes: float) -> float:
    points = {}
    for row in rows_of("sram_7nm"):
        size, width = int(row["size_bytes"]), int(row["width_bits"])
        at_22nm = ram_quantities(cell, NODES[-1], size * 8 / width, width)["read"]
        points[float(size)] = float(row["access_pj"]) / at_22nm
    return log_log(points, size_bytes)
