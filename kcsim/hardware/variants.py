"""Many hardware designs that differ from one file in some values."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kcsim.errors import InputError
from kcsim.hardware.overrides import place_of, set_value
from kcsim.hardware.reader import find_hardware
from kcsim.hardware.resized import let_resized_follow
from kcsim.hardware.resolution import check_data, hardware_of_data
from kcsim.hardware.schema import Hardware
from kcsim.reading.source import read_yaml

Setting = tuple[str, Any]
"""A path as ``levels.buffer.capacity``, and its value."""


def hardware_data(spec: str | os.PathLike[str]) -> dict[str, Any]:
    """What a hardware file holds, once it has been found to be valid."""
    document = read_yaml(find_hardware(spec))
    variant(document.data, ())
    data: dict[str, Any] = document.data
    return data


def variant(data: dict[str, Any], settings: Iterable[Setting]) -> Hardware:
    """A hardware with some values changed, as `kcsim.hardware.reader.load_hardware` does.

    Energies of parts whose size changes follow from it, unless they are set, too.

    Parameters
    ----------
    data : dict
        What the file holds, and is valid.
    settings : iterable of (str, value)

    Raises
    ------
    InputError
        If a path leads nowhere, or the hardware is not valid.
    """
    changed = []
    own, pairs = data, list(settings)
    if pairs:
        own = copy.deepcopy(data)
        for path, value in pairs:
            target, key = place_of(own, path, f"{path}={value}")
            set_value(own, target, key, value)
            changed.append((target, key))
    try:
        if changed:
            let_resized_follow(own, check_data(data), changed)
        return hardware_of_data(own, None, "hardware")
    except InputError as error:
        problems = [
            replace(each, message=each.message.removeprefix("hardware: "))
            for each in error.problems
        ]
        raise InputError(problems) from None
