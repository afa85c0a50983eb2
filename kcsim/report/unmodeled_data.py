"""What of a network is not modeled, as a table and as a sentence."""

from __future__ import annotations

from kcsim.hardware.schema import Hardware
from kcsim.report.table import Row, Table, column
from kcsim.workload.network import Network
from kcsim.workload.unmodeled import Unmodeled, unmodeled

_COLUMNS = (
    "operation", "operation_count", "macs", "macs_share", "adds", "moved_words", "bytes_share",
)  # fmt: skip


def unmodeled_of(network: Network, hardware: Hardware | None = None) -> tuple[Unmodeled, ...]:
    """What is not modeled, with the widths of a hardware."""
    if hardware is None:
        return unmodeled(network)
    bits = hardware.precision_bits
    return unmodeled(
        network, weight_bits=bits.weights, input_bits=bits.inputs, output_bits=bits.outputs
    )


def unmodeled_tables(network: Network, hardware: Hardware | None = None) -> tuple[Table, ...]:
    """One table of all operations that are not modeled; none if there are none."""
    rows = unmodeled_of(network, hardware)
    if not rows:
        return ()
    notes = (
        "Not part of energy, cycles and traffic above. Shares: of all MACs, and of the bytes that "
        "move if each step reads and writes its tensors once.",
    )
    *kinds, total = map(_row, rows)
    columns = tuple(column(name) for name in _COLUMNS)
    return (Table(f"Not modeled: {network.name}", columns, tuple(kinds), (total,), notes),)


def unmodeled_note(network: Network, hardware: Hardware | None = None) -> tuple[str, ...]:
    """A sentence for where a table has no place, if anything is not modeled."""
    rows = unmodeled_of(network, hardware)
    if not rows:
        return ()
    *kinds, total = rows
    named = ", ".join(f"{each.operations} {each.kind}" for each in kinds[:6])
    more = ", ..." if len(kinds) > 6 else ""
    return (
        f"Not modeled: {named}{more}; {total.macs_share:.3g} of the MACs, "
        f"{total.bytes_share:.3g} of the bytes if tensors move once.",
    )


def _row(each: Unmodeled) -> Row:
    return (
        each.kind, each.operations, each.macs, each.macs_share, each.adds, each.moved_words,
        each.bytes_share,
    )  # fmt: skip
