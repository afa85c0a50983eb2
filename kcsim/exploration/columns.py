"""Columns of the tables of an exploration."""

from __future__ import annotations

from kcsim.estimation.result import RUN_FIGURES
from kcsim.exploration.accuracy import ACCURACY
from kcsim.model.layer_estimate import LAYER_FIGURES

CHOSEN = (
    "hardware", "network", "batch", "clustering", "weights", "execution", "decode_level",
    "objective", "zeros", "precision",
)  # fmt: skip
"""Choices that are no keys of the hardware file."""
ACCURACIES = (ACCURACY, "clustered_accuracy", "normed_accuracy")
"""In the end, and before retraining without and with new batch norms."""
KNOWN_BEFORE = (*ACCURACIES, "area_mm2", "mac_units", "memory_bits", "clusters", "scheme")
"""Figures that are known before anything is mapped."""
TRAFFIC = "outermost_traffic_bits"
RESULTS = (
    *(name for name in RUN_FIGURES if name not in ("clustering", "run", "energy_unit")), TRAFFIC
)  # fmt: skip
"""Figures that are known afterwards."""
ENERGY_OF = "energy_of_"
"""Columns with the energy of a component begin so."""
GAINS = (*ACCURACIES, "utilization")
"""Figures of which more is better."""
_OTHERS = {
    "point", "kcsim_version", "hardware_hash", "proved", "error", "evaluation_seconds", "feasible",
    "number",
}  # fmt: skip


def is_taken(name: str) -> bool:
    """Whether a column has a meaning, so that no user may give its name to another one."""
    known = {*CHOSEN, *KNOWN_BEFORE, *RESULTS, *RUN_FIGURES, *LAYER_FIGURES, *_OTHERS}
    return name in known or name.startswith(ENERGY_OF)
