"""Places in a hardware, as `--set` and messages name them."""

from __future__ import annotations

from kcsim.hardware.schema import Hardware
from kcsim.reading.source import Path_


def place_name(hardware: Hardware, path: Path_) -> str:
    """A place as `--set` names it: ``levels.buffer.read_pj``.

    Parameters
    ----------
    hardware : Hardware
    path : tuple of (str or int)
    """
    steps = []
    for position, step in enumerate(path):
        if isinstance(step, str):
            steps.append(f".{step}")
        elif position == 1 and path[0] == "levels":
            steps.append(f".{hardware.levels[step].name}")
        else:
            steps.append(f"[{step}]")
    return "".join(steps).removeprefix(".")
