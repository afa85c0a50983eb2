"""What of a network is no layer, and how much of it that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.operation import Operation


@dataclass(frozen=True)
class Listed:
    """Operations of one kind.

    Attributes
    ----------
    kind : str
    operations, macs, adds, moved_words : int
        How many there are, and what they take together.
    macs_share, bytes_share : float
        Of the multiply-accumulates of the whole network, and of the bytes that it moves if each
        step reads its inputs and weights and writes its outputs once.
    """

    kind: str
    operations: int
    macs: int
    adds: int
    moved_words: int
    macs_share: float
    bytes_share: float


def unmodeled(
    network: Network, *, weight_bits: int = 16, input_bits: int = 16, output_bits: int = 16,
    counted: bool = False,
) -> tuple[Listed, ...]:  # fmt: skip
    """What is not modeled, kind by kind in the order of the network, and last of all ``TOTAL``.

    Parameters
    ----------
    network : Network
    weight_bits, input_bits, output_bits : int
        Width of a value [bit].
    counted : bool
        Of the operations that are counted beside the layers, instead.

    Returns
    -------
    tuple of Listed
        Empty if there are none.
    """
    chosen = [each for each in network.operations if each.is_counted == counted]
    if not chosen:
        return ()

    def bits(step: Operation | ConvLayer) -> int:
        if isinstance(step, Operation):
            inputs, outputs = step.batch * step.input_words, step.batch * step.output_words
            weights = step.weight_words
        else:
            # A computed matrix is an input, too.
            weights = step.trained_words
            inputs = step.input_words + step.weight_words - weights
            outputs = step.output_words
        return inputs * input_bits + outputs * output_bits + weights * weight_bits

    operations = network.operations
    all_macs = network.macs + sum(each.all_macs for each in operations)
    all_bits = sum(map(bits, network.layers)) + sum(map(bits, operations))

    def together(kind: str, alike: Iterable[Operation]) -> Listed:
        steps = list(alike)
        macs = sum(each.all_macs for each in steps)
        return Listed(
            kind, len(steps), macs, sum(each.all_adds for each in steps),
            sum(each.moved_words for each in steps), macs / all_macs,
            sum(map(bits, steps)) / all_bits if all_bits else 0.0,
        )  # fmt: skip

    kinds = dict.fromkeys(each.kind for each in chosen)
    rows = [together(kind, (each for each in chosen if each.kind == kind)) for kind in kinds]
    return (*rows, together("TOTAL", chosen))
