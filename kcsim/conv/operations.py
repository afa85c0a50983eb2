"""Multiplies and adds of a clustered convolution, in closed form from its real indexes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kcsim.conv.geometry import Geometry, Place, line_strips
from kcsim.errors import InputError
from kcsim.weights.clustered_layer import ClusteredLayer
from kcsim.workload.execution import EXECUTIONS, Operations, check_execution
from kcsim.workload.layer import ConvLayer


def count_operations(
    layer: ClusteredLayer, execution: str, conv: ConvLayer | None = None
) -> Operations:
    """Operations of one way to execute a layer, for its real indexes.

    With t taps in a unit, N_m units in filter m, and O = batch * P * Q positions of a map:

    * ``decode``: every output takes C R S multiplies and one add less (C within a group).
    * ``share_products``: U_c t multiplies and U_c (t - 1) adds for every position of block c, of
      which U_c entries are distinct, and N_m adds for every output of filter m (Son, Nah, Lee,
      ECCV 2018, Section 3.4). Scales cost N_m multiplies more; offsets t - 1 adds for every
      position and block, N_m multiplies and N_m adds.
    * ``share_sums``: N_m - V_m adds for every position, V_m entries of filter m being distinct,
      then V_m t multiplies and as many adds for every output. Scales cost N_m multiplies for
      every position; offsets are one more entry that all units have and that is only added.

    A block are the units that meet the same inputs: those of one block of channels whose
    distances are multiples of the stride. The positions of a block are those of the map, and of
    more rows and columns where units are smaller than a kernel: (p + i)(q + j) for p x q outputs
    and units that are up to i rows and j columns apart. They are counted for each of the strips
    that a map is worked on in (`kcsim.conv.geometry.line_strips`), as neighbors compute the rows
    that both need. So are those of sums: each plane that the taps of a unit meet, by the distance
    of the taps. Padding is executed like any input.

    Parameters
    ----------
    layer : ClusteredLayer
    execution : str
        One of `EXECUTIONS`.
    conv : ConvLayer, optional
        The layer for another image or batch.

    Raises
    ------
    InputError
        If there is no such execution.
    """
    conv = conv or layer.part.layer
    check_execution(execution, EXECUTIONS)
    if execution == "decode":
        taps = conv.weight_words // conv.out_channels
        return Operations(conv.output_words * taps, conv.output_words * (taps - 1))
    if execution == "share_products":
        return _of_products(layer, conv)
    return _of_sums(layer, conv)


def choose_execution(layer: ClusteredLayer, execution: str, conv: ConvLayer) -> str:
    """The execution itself, or for ``auto`` the one of fewest operations.

    Raises
    ------
    InputError
        If there is no such execution.
    """
    check_execution(execution, ("auto", *EXECUTIONS))
    if execution in ("auto", "decode") and layer.part.unshared:
        return "decode"
    if layer.part.unshared:
        name = layer.part.layer.name
        raise InputError(f"layer {name!r} shares neither products nor sums: {layer.part.unshared}")
    if execution != "auto":
        return execution
    return min(EXECUTIONS, key=lambda name: count_operations(layer, name, conv).total)


def _of_products(layer: ClusteredLayer, conv: ConvLayer) -> Operations:
    assert layer.part.unit is not None
    places = Geometry(conv).unit_places(layer.part.unit)
    reaches = any(place.reach != (0, 0) for place in places)
    strips = line_strips(conv) if reaches else [conv.out_height]
    scaled, offset = layer.scales is not None, layer.offsets is not None
    multiplies = adds = 0
    for block, taps in _blocks(layer):
        for place in places:
            distinct = int(_at(block, place).distinct_per_channel.sum())
            positions = sum(_positions(conv, lines, place.reach) for lines in strips)
            multiplies += distinct * taps * positions
            boxes = conv.groups * block.indexes.shape[1] if offset else 0
            adds += (distinct + boxes) * (taps - 1) * positions
    gathered = layer.indexes.size * _positions(conv, conv.out_height)
    multiplies += (scaled or offset) * gathered + offset * gathered
    return Operations(multiplies, adds + (1 + offset) * gathered)


def _of_sums(layer: ClusteredLayer, conv: ConvLayer) -> Operations:
    unit = layer.part.unit
    assert unit is not None
    met = Geometry(conv).places(unit.height, unit.width, 1, 1)
    met_positions = sum(_positions(conv, conv.out_height, place.reach) for place in met)
    outputs = _positions(conv, conv.out_height)
    scaled, offset = layer.scales is not None, layer.offsets is not None
    multiplies = adds = 0
    for block, taps in _blocks(layer):
        distinct, units = int(block.distinct_per_filter.sum()), block.indexes.size
        positions = taps // (unit.height * unit.width) * met_positions
        multiplies += distinct * taps * outputs + (scaled or offset) * units * positions
        adds += (units - distinct) * positions + distinct * taps * outputs
        if offset:
            multiplies += units * positions
            adds += (units - conv.out_channels) * positions + conv.out_channels * taps * outputs
    return Operations(multiplies, adds)


def _blocks(layer: ClusteredLayer) -> Iterator[tuple[ClusteredLayer, int]]:
    """Parts of a layer whose units have entries of their own, and the taps of a unit."""
    unit, channels = layer.part.unit, layer.part.layer.in_channels // layer.part.layer.groups
    assert unit is not None
    if not layer.part.settings.is_product:
        yield layer, unit.size
        return
    for block in range(layer.indexes.shape[1]):
        taps = min(unit.channels, channels - block * unit.channels)
        yield replace(layer, indexes=layer.indexes[:, block : block + 1]), taps


def _at(layer: ClusteredLayer, place: Place) -> ClusteredLayer:
    """The layer with the units of one place alone."""
    rows, columns = map(list, zip(*place.members, strict=True))
    transforms = layer.transforms
    return replace(
        layer,
        indexes=layer.indexes[:, :, rows, columns],
        transforms=None if transforms is None else transforms[:, :, rows, columns],
    )


def _positions(conv: ConvLayer, lines: int, reach: tuple[int, int] = (0, 0)) -> int:
    return conv.batch * (lines + reach[0]) * (conv.out_width + reach[1])
