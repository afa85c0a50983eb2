"""What of a network is no layer, as tables and as a sentence."""

from __future__ import annotations

from kcsim.estimation.result import Result
from kcsim.hardware.schema import Hardware
from kcsim.model.operations import estimate_operations
from kcsim.report.table import Row, Table, column
from kcsim.sums import exact_sum
from kcsim.workload.network import Network
from kcsim.workload.unmodeled import Listed, unmodeled

_COLUMNS = (
    "operation", "operation_count", "macs", "macs_share", "adds", "moved_words", "bytes_share",
)  # fmt: skip


def unmodeled_of(
    network: Network, hardware: Hardware | None = None, *, counted: bool = False
) -> tuple[Listed, ...]:
    """What is not modeled, or counted beside the layers, with the widths of a hardware."""
    if hardware is None:
        return unmodeled(network, counted=counted)
    bits = hardware.precision_bits
    return unmodeled(
        network, weight_bits=bits.weights, input_bits=bits.inputs, output_bits=bits.outputs,
        counted=counted,
    )  # fmt: skip


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


def operations_tables(
    network: Network, hardware: Hardware | None = None, unit: str = ""
) -> tuple[Table, ...]:
    """One table of additions, concatenations and poolings; none if there are none.

    Parameters
    ----------
    network : Network
    hardware : Hardware, optional
        For their energy and cycles.
    unit : str
        Of energies.
    """
    rows = unmodeled_of(network, hardware, counted=True)
    if not rows:
        return ()
    columns = [column(name) for name in _COLUMNS if not name.startswith("macs")]
    values = [[v for v, name in zip(_row(each), _COLUMNS, strict=True)
               if not name.startswith("macs")] for each in rows]  # fmt: skip
    notes = "Read and written once each, beside the layers and what is said of them above."
    if hardware is not None:
        columns += [column("energy", unit=unit), column("cycles")]
        estimates = estimate_operations(network, hardware)
        for each, row in zip(rows, values, strict=True):
            some = [one for one in estimates if each.kind in (one.operation.kind, "TOTAL")]
            row += [exact_sum(one.energy for one in some), sum(one.cycles for one in some)]
        notes += " Energy and cycles are not part of theirs."
    *kinds, total = map(tuple, values)
    title = f"Operations: {network.name}"
    return (Table(title, tuple(columns), tuple(kinds), (total,), (notes,)),)


def result_operations_tables(result: Result) -> tuple[Table, ...]:
    """What a result has beside its layers: what is counted, and what is not modeled."""
    network, hardware = result.network, result.hardware
    unit = hardware.energy_unit
    return (
        *operations_tables(network, hardware, unit), *unmodeled_tables(network, hardware),
    )  # fmt: skip


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


def _row(each: Listed) -> Row:
    return (
        each.kind, each.operations, each.macs, each.macs_share, each.adds, each.moved_words,
        each.bytes_share,
    )  # fmt: skip
