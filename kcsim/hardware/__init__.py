"""The hardware: levels, networks, MAC units, and the files that describe them."""

from kcsim.hardware.level import Fanout, Level, Partition
from kcsim.hardware.reader import hardware_schema, load_hardware, shipped_names
from kcsim.hardware.schema import (
    CodebookStore,
    Compute,
    Dataflow,
    Hardware,
    LevelConstraint,
    Precision,
)

__all__ = [
    "CodebookStore",
    "Compute",
    "Dataflow",
    "Fanout",
    "Hardware",
    "Level",
    "LevelConstraint",
    "Partition",
    "Precision",
    "hardware_schema",
    "load_hardware",
    "shipped_names",
]
