"""Energies and areas by name, as a library of components."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.components.part import Estimate, Part


class NamedTables:
    """What was found before, by the names of the parts: needs no model to be used again.

    Parameters
    ----------
    estimates : mapping of str to Estimate
    name : str
        Of the library, for provenance.
    """

    def __init__(self, estimates: Mapping[str, Estimate], name: str) -> None:
        self.name = name
        self._estimates = {plain_name(each): found for each, found in estimates.items()}

    def estimate(self, part: Part) -> Estimate:
        """What the tables say of the part of that name.

        Raises
        ------
        InputError
            If they have none of that name.
        """
        wanted = plain_name(part.name)
        if wanted not in self._estimates:
            names = list(self._estimates)
            message = f"{self.name} has no component '{part.name}'"
            expected = "one of " + ", ".join(names)
            raise InputError(Problem(message, expected, nearest(wanted, names)))
        return self._estimates[wanted]


def plain_name(name: str) -> str:
    """A name as Accelergy may have it: its last step, without instances, blanks as ``_``."""
    return re.sub(r"\W+", "_", re.sub(r"\[[\d.]*\]", "", name).split(".")[-1]).strip("_")
