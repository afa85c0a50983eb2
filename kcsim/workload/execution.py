"""How clustered layers can be executed, and the operations that an execution takes."""

from __future__ import annotations

from dataclasses import dataclass

from kcsim.errors import InputError, Problem, nearest

SHARING_NAMES = ("share_products", "share_sums")
EXECUTIONS = ("decode", *SHARING_NAMES)


@dataclass(frozen=True)
class Operations:
    """Multiplies and adds of a whole batch; those of biases are not counted.

    Attributes
    ----------
    multiplies, adds : int
    """

    multiplies: int
    adds: int

    @property
    def total(self) -> int:
        """Both."""
        return self.multiplies + self.adds


def check_execution(execution: str, known: tuple[str, ...]) -> None:
    """Refuse what is none of the known executions."""
    if execution not in known:
        raise InputError(
            Problem(f"there is no execution {execution!r}", "one of " + ", ".join(known),
                    nearest(execution, known))
        )  # fmt: skip
