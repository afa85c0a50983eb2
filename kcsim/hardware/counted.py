"""What is counted at a level, as publications differ in it."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from kcsim.hardware.values import STRICT, plain_errors


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Counted:
    """What of a level costs energy and time, and what does not.

    Attributes
    ----------
    first_reads : bool
        Whether a sum is read as it is begun, too: reads of outputs are then as many as updates.
    drains : bool
        Whether the sums that leave a level upwards are read there.
    fills : bool
        Whether the words that a level is filled with are written.
    """

    first_reads: bool = False
    drains: bool = False
    fills: bool = True
