"""A sweep file about one codebook: over its entries, ways to execute it, and the buffer."""

from __future__ import annotations

import re

from kcsim.errors import InputError, Problem
from kcsim.hardware.schema import Hardware

_ENTRIES = re.compile(r"\bk=(\d+)")
_STEPS, _MOST = 3, 4096


def codebook_sweep(
    hardware: Hardware, clustering: str, *, hardware_file: str, network: str, objective: str = "edp"
) -> str:
    """The text of a sweep that answers when a codebook pays, and when sharing does.

    Parameters
    ----------
    hardware : Hardware
    clustering : str
        With entries, as ``kernel:k=16``: they are halved and doubled some times.
    hardware_file, network : str
        As in a sweep file.
    objective : str

    Returns
    -------
    str
        YAML; see `kcsim.explore`.

    Raises
    ------
    InputError
        If the clustering does not say how many entries there are, in one place.
    """
    entries = {int(number) for number in _ENTRIES.findall(clustering)}
    if len(entries) != 1:
        raise InputError(
            Problem(
                f"a sweep over entries needs one number of them: {clustering}", "as kernel:k=16"
            )
        )
    (most,) = entries
    numbers = [most * 2**i // 2**_STEPS for i in range(2 * _STEPS + 1)]
    shown = ", ".join(str(n) for n in sorted(set(numbers)) if 2 <= n <= _MOST)
    lines = [
        "# When does the codebook pay, and when does sharing? Over entries and the buffer.",
        f"hardware: {_text(hardware_file)}",
        f"networks: [{_text(network)}]",
        f"parameters: {{k: [{shown}]}}",
        f"clusterings: [none, {_text(_ENTRIES.sub('k={k}', clustering))}]",
        "executions: [decode, share_products, share_sums]",
        *_capacities(hardware),
        f"objective: {objective}",
    ]
    return "\n".join(lines) + "\n"


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _capacities(hardware: Hardware) -> list[str]:
    """The largest memory on the chip, and half and twice its size."""
    found: list[tuple[int, str]] = []
    for level in hardware.levels[1:]:
        parts = [
            (part.tensors[0], f".partitions[{i}]") for i, part in enumerate(level.partitions)
        ] or [("weights", "")]
        for tensor, part in parts:
            bits = (level.capacity_bits(tensor) or 0) * (1 + (level.buffering == "double"))
            found.append((bits, f"levels.{level.name}{part}.capacity"))
    bits, path = max(found, default=(0, ""))
    sizes = ", ".join(f"{bits * times / 8192:g} KiB" for times in (0.5, 1, 2))
    return ["axes:", f"  {_text(path)}: [{sizes}]"] if bits else []
