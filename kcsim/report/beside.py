"""One run of a result, beside the first one: what most tables and figures are of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kcsim.estimation.result import Result, Run
from kcsim.report.table import Column, column, with_ratio


@dataclass(frozen=True, eq=False)
class Beside:
    """A run that is looked at, and the run that it is compared with.

    Attributes
    ----------
    result : Result
    run : Run
        The first one stands alone.
    """

    result: Result
    run: Run

    @classmethod
    def last(cls, result: Result) -> Beside:
        """The last run of a result."""
        return cls(result, list(result.runs.values())[-1])

    @property
    def runs(self) -> tuple[Run, ...]:
        """The first run and the one that is looked at."""
        first = next(iter(self.result.runs.values()))
        return (first,) if self.run is first else (first, self.run)

    @property
    def names(self) -> tuple[str, ...]:
        """What columns are called after: nothing where a run stands alone."""
        return tuple(run.name for run in self.runs) if len(self.runs) > 1 else ("",)

    @property
    def unit(self) -> str:
        """The unit of energies."""
        return self.result.hardware.energy_unit

    def columns(self, name: str, ratio: bool = True, **settings: Any) -> list[Column]:
        """A field of each run and, if wanted, the ratio of the first over the other."""
        found = [column(name, of=run, **settings) for run in self.names]
        ratios = [column(f"{name}_ratio", heading="ratio") for _ in self.names[1:] if ratio]
        return [*found, *ratios]

    def values(self, get: Callable[[Run], Any]) -> tuple[Any, ...]:
        """A value of each run, and their ratio."""
        return with_ratio([get(run) for run in self.runs])

    def title(self, subject: str) -> str:
        """The title of a table."""
        return f"{subject}: {', '.join(filter(None, (self.subject, self.pair)))}"

    @property
    def subject(self) -> str:
        """The network and the hardware."""
        return f"{self.result.network.name} on {self.result.hardware.name}"

    @property
    def pair(self) -> str:
        """What stands beside what; empty where a run stands alone."""
        return f"{self.names[0]} beside {self.name}" if len(self.runs) > 1 else ""

    @property
    def name(self) -> str:
        """The clustering and, if it is not decoded, the execution."""
        clustering = self.run.clustering or self.run.name
        return clustering if self.run.name == "decode" else f"{clustering}, {self.run.name}"


def accuracy_text(runs: Iterable[Run]) -> str:
    """What dense and clustered weights recognize; empty where nothing is known.

    Parameters
    ----------
    runs : iterable of Run
    """
    known: dict[bool, str] = {}
    for run in runs:
        if run.accuracy is not None:
            name = "clustered" if run.clustering else "dense"
            known.setdefault(run.clustering is not None, f"{name} {100 * run.accuracy:.2f} %")
    return f"Accuracy: {', '.join(known.values())}" if known else ""
