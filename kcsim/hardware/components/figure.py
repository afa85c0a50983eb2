"""A number and where it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

Input = str | float | int


@dataclass(frozen=True)
class Figure:
    """A number, the rule and the inputs that it follows from, its sources and its error bar.

    Attributes
    ----------
    value : float
    unit : str
    rule : str
        How it was found, in words or as a formula.
    inputs : tuple of (str, value)
        What went into the rule.
    sources : tuple of str
        Keys of `kcsim.hardware.components.sources`.
    low, high : float
        The error bar as factors: the truth is expected between `low` and `high` times the value.
    """

    value: float
    unit: str
    rule: str
    inputs: tuple[tuple[str, Input], ...] = ()
    sources: tuple[str, ...] = ()
    low: float = 1.0
    high: float = 1.0

    def times(self, factor: float, rule: str, *, low: float = 1.0, high: float = 1.0) -> Figure:
        """A multiple of the figure, with a further step of the rule and a wider error bar."""
        return replace(
            self,
            value=self.value * factor,
            rule=f"{self.rule}; {rule}" if rule else self.rule,
            low=self.low * low,
            high=self.high * high,
        )

    def citing(self, *sources: str) -> Figure:
        """The figure with further sources."""
        return replace(self, sources=tuple(dict.fromkeys((*self.sources, *sources))))

    def __str__(self) -> str:
        given = ", ".join(f"{name} {value}" for name, value in self.inputs)
        bar = f"{self.low * self.value:.3g} to {self.high * self.value:.3g} {self.unit}"
        return (
            f"{self.value:.6g} {self.unit} ({bar}): {self.rule}; of {given or 'nothing else'} "
            f"[{', '.join(self.sources) or 'assumed'}]"
        )


def total(figures: Iterable[Figure], rule: str) -> Figure:
    """The sum of figures of one unit; error bars add up, as if all erred the same way.

    Parameters
    ----------
    figures : iterable of Figure
        At least one.
    rule : str
    """
    parts = list(figures)
    value = sum(each.value for each in parts)
    low = sum(each.value * each.low for each in parts)
    high = sum(each.value * each.high for each in parts)
    return Figure(
        value,
        parts[0].unit,
        f"{rule}: {' + '.join(f'{each.value:.4g}' for each in parts)}; "
        + "; ".join(dict.fromkeys(each.rule for each in parts)),
        tuple(dict.fromkeys(one for each in parts for one in each.inputs)),
        tuple(dict.fromkeys(source for each in parts for source in each.sources)),
        low / value if value else 1.0,
        high / value if value else 1.0,
    )
