"""Logic at one node from logic at another: energy after Stillmaker and Baas, and area.

They are taken down to 32 nm. From 45 to 7 nm they predict 0.09 of the energy where Jouppi et al.
have 0.23 to 0.48, so that below 32 nm energies go log-log to the 7 nm of the latter.
"""

from __future__ import annotations

from functools import cache

from kcsim.errors import InputError, Problem
from kcsim.hardware.components.interpolation import log_log
from kcsim.hardware.components.ram_nodes import check_node
from kcsim.hardware.components.tables import rows_of

ANCHOR_NM = 45.0
LAST_NM, NEWEST_NM = 32.0, 7.0
NOMINAL_V = {
    130.0: 1.2, 90.0: 1.1, 65.0: 1.0, 45.0: 0.9, 32.0: 0.9, 22.0: 0.8, 16.0: 0.8, 7.0: 0.7
}  # fmt: skip
USUAL_RATIO_AT_7NM = 0.35
"""Energy at 7 nm over 45 nm of what Jouppi et al. do not list: their eight operations have 0.23
to 0.48, and this as geometric mean."""
RULE = "Stillmaker and Baas to 32 nm, log-log from there to 7 nm"


@cache
def _rows() -> tuple[tuple[float, tuple[float, float, float], float], ...]:
    return tuple(
        (
            float(row["technology_nm"]),
            (float(row["a2"]), float(row["a1"]), float(row["a0"])),
            float(row["area_over_45nm"]),
        )
        for row in rows_of("scaling")
    )


def nominal_v(node: float) -> float:
    """The supply of logic where none is given."""
    return log_log(NOMINAL_V, node)


def relative_energy(node: float, voltage: float) -> float:
    """The polynomial of a node at a supply, log-log between nodes; only ratios mean anything.

    Raises
    ------
    InputError
        Below the voltage at which the polynomial turns up again.
    """
    points = {}
    for nm, (a2, a1, a0), _ in _rows():
        points[nm] = a2 * voltage**2 + a1 * voltage + a0
    around = [max(nm for nm in points if nm <= node), min(nm for nm in points if nm >= node)]
    least = max(-a1 / (2 * a2) for nm, (a2, a1, _), _ in _rows() if nm in around)
    if voltage < least:
        raise InputError(
            Problem(f"logic of {node:g} nm at {voltage:g} V is outside of the scaling of energies",
                    f"at least {least:.2f} V")
        )  # fmt: skip
    return log_log(points, node)


def energy_factor(
    node: float,
    voltage: float | None = None,
    ratio_at_7nm: float = USUAL_RATIO_AT_7NM,
    base: float = ANCHOR_NM,
) -> float:
    """Energy of an operation at a node over that at another.

    Parameters
    ----------
    node : float
    voltage : float, optional
        The supply; nominal at the node when absent.
    ratio_at_7nm : float
        Energy at 7 nm over that at 45 nm.
    base : float
        The node that is scaled from, at its nominal supply.
    """
    factor = _nominal_factor(node, ratio_at_7nm) / _nominal_factor(base, ratio_at_7nm)
    if voltage is None:
        return factor
    return factor * relative_energy(node, voltage) / relative_energy(node, nominal_v(node))


def _nominal_factor(node: float, ratio_at_7nm: float) -> float:
    check_node(node)
    anchor = relative_energy(ANCHOR_NM, nominal_v(ANCHOR_NM))
    if node >= LAST_NM:
        return relative_energy(node, nominal_v(node)) / anchor
    last = relative_energy(LAST_NM, nominal_v(LAST_NM)) / anchor
    return log_log({NEWEST_NM: ratio_at_7nm, LAST_NM: last}, node)


def area_factor(node: float, base: float = ANCHOR_NM) -> float:
    """Area of logic at a node over that at another, log-log between those of the table."""
    check_node(node)
    points = {nm: area for nm, _, area in _rows()}
    return log_log(points, node) / log_log(points, base)


def energy_bar(node: float, base: float = ANCHOR_NM) -> tuple[float, float]:
    """Error bar of a scaled energy, as factors: 30 % at and beside a node, twice below 22 nm."""
    if node == base:
        return 1 / 1.3, 1.3
    return (0.5, 2.0) if node < 22 else (1 / 1.5, 1.5)
