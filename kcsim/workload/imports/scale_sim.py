"""Networks from topologies of SCALE-Sim: comma-separated convolutions or products of matrices."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from kcsim.errors import InputError, Mark, Problem
from kcsim.reading.files import read_text_file
from kcsim.reading.source import decode
from kcsim.workload.layer import ConvLayer, LayerError
from kcsim.workload.network import Network, free_name

MAX_BYTES = 2_000_000
_CONVOLUTION = ("layer name, IFMAP height, IFMAP width, filter height, filter width, channels, "
                "filters, stride")  # fmt: skip
_PRODUCT = "layer name, M, N, K"
_DEPTHWISE = "DP"


def is_scale_sim(text: str) -> bool:
    """Whether a text begins as a topology of SCALE-Sim."""
    first = text.lstrip("\ufeff").lstrip().partition("\n")[0].lower()
    cells = [cell.strip() for cell in first.split(",")]
    return cells[0].startswith("layer") and (
        cells[1:4] == ["m", "n", "k"] or any(cell.startswith("ifmap") for cell in cells[1:3])
    )


def read_scale_sim(path: str | os.PathLike[str]) -> Network:
    """The network of a topology file.

    A row is a convolution or, under the heading ``Layer, M, N, K``, a product of inputs (M, K) and
    trained weights (K, N). SCALE-Sim counts the last window where it hangs over the end; so
    does the layer, by padding below and on the right. A layer whose name has ``DP`` in it is
    depthwise, as SCALE-Sim takes it.

    Raises
    ------
    InputError
        If the file is no topology; carries everything that is wrong.
    """
    file = os.fspath(path)
    text = decode(read_text_file(file, MAX_BYTES), file).lstrip("\ufeff")
    lines = text.splitlines()
    if not is_scale_sim(text):
        first = lines[0] if lines else ""
        raise InputError(
            Problem("no topology of SCALE-Sim starts like this", f"{_CONVOLUTION}; or {_PRODUCT}",
                    mark=Mark(file, 1, 1, first))
        )  # fmt: skip
    products = lines[0].lower().replace(" ", "").split(",")[1:4] == ["m", "n", "k"]
    layers: dict[str, ConvLayer] = {}
    problems: list[Problem] = []
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.partition("#")[0].split(",")]
        while cells and not cells[-1]:
            cells.pop()
        # A name alone heads the rows of a part.
        if len(cells) < 2:
            continue
        mark = Mark(file, number, 1, line)
        try:
            layer = _product(cells) if products else _convolution(cells)
        except LayerError as error:
            problems += [Problem(p.message, p.expected, mark=mark) for p in error.problems]
            continue
        except ValueError as error:
            problems.append(Problem(str(error), _PRODUCT if products else _CONVOLUTION, mark=mark))
            continue
        name = free_name(layer.name, layers)
        layers[name] = replace(layer, name=name)
    if not layers and not problems:
        problems.append(Problem(f"'{file}' has no layers", "a row for each layer"))
    if problems:
        raise InputError(problems)
    title = Path(file).stem
    notes: tuple[str, ...] = ()
    if not products and any(any(layer.padding) for layer in layers.values()):
        notes = ("Windows that hang over the end are counted, as SCALE-Sim does.",)
    return Network(
        title if title.isprintable() else "topology", tuple(layers.values()),
        source="topology of SCALE-Sim", notes=notes,
    )  # fmt: skip


def _numbers(cells: list[str], wanted: tuple[int, ...]) -> list[int]:
    given = cells[1:]
    if len(given) not in wanted:
        counts = " or ".join(map(str, wanted))
        raise ValueError(
            f"layer {cells[0]!r} has {len(given)} numbers behind its name, not {counts}"
        )
    for cell in given:
        if not (cell.isascii() and cell.isdigit() and len(cell) < 12 and int(cell) > 0):
            raise ValueError(f"layer {cells[0]!r}: {cell!r} is no whole number above 0")
    return list(map(int, given))


def _product(cells: list[str]) -> ConvLayer:
    rows, columns, depth = _numbers(cells, (3,))
    return ConvLayer.linear(cells[0], depth, columns, bias=False, sequence=rows)


def _convolution(cells: list[str]) -> ConvLayer:
    # A ratio of sparsity may follow in later versions.
    if len(cells) in (9, 10) and ":" in cells[-1]:
        raise ValueError(f"layer {cells[0]!r} is sparse ({cells[-1]}), which is not read")
    height, width, rows, columns, channels, filters, *strides = _numbers(cells, (7, 8))
    down, across = strides[0], strides[-1]
    groups = channels if _DEPTHWISE in cells[0] else 1
    return ConvLayer(
        cells[0], channels, filters * groups, height, width, rows, columns, (down, across),
        (0, _hanging(height, rows, down), 0, _hanging(width, columns, across)), groups=groups,
    )  # fmt: skip


def _hanging(size: int, taps: int, step: int) -> int:
    """Pixels by which the last window of ceil((size - taps) / step) + 1 hangs over the end."""
    return max(0, -(-(size - taps) // step) * step + taps - size)


def scale_sim_topology(network: Network) -> tuple[str, list[str]]:
    """A network as the text of a topology, and what it does not say.

    Padding becomes pixels of the image. Products of matrices of one row are convolutions, too.
    """
    lost: list[str] = []
    lines = [
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
        "Stride Height, Stride Width,"
    ]
    for layer in network:
        name = layer.name.replace(",", ";")
        top, bottom, left, right = layer.padding
        times = layer.groups if layer.groups > 1 else 1
        if any(layer.padding):
            lost.append(f"{layer.name}: padding becomes pixels")
        if layer.batch > 1:
            lost.append(f"{layer.name}: {layer.batch} images, one of which is written")
        if layer.dilation != (1, 1):
            lost.append(f"{layer.name}: dilation, which is left out")
            continue
        if times > 1:
            lost.append(f"{layer.name}: {times} groups, one of which is written")
        row = (
            name, _fitted(layer.in_height + top + bottom, layer.kernel_height, layer.stride[0]),
            _fitted(layer.in_width + left + right, layer.kernel_width, layer.stride[1]),
            layer.kernel_height, layer.kernel_width, layer.in_channels // times,
            layer.out_channels // times, *layer.stride,
        )  # fmt: skip
        lines.append(", ".join(map(str, row)) + ",")
    lost += [f"{operation.name}: {operation.kind}" for operation in network.operations]
    return "\n".join(lines) + "\n", lost


def _fitted(size: int, taps: int, step: int) -> int:
    """Pixels without those behind the last window, which SCALE-Sim would count one more for."""
    return (size - taps) // step * step + taps
