"""What instances take that are not in use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.hardware.values import STRICT, plain_errors

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Idle:
    """Shares of their energy that idle instances still take in a cycle.

    Attributes
    ----------
    leakage : float
        1 without power gating; of a part that is gated, what is left.
    clock : float
        Likewise, of clock gating.
    """

    leakage: Share = 0.0
    clock: Share = 0.0
