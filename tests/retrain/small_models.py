"""A torch model of the layers of `random_clustered.SMALL`, and weights decoded unit by unit."""

from __future__ import annotations

import numpy as np
import pytest
from random_clustered import SMALL

torch = pytest.importorskip("torch")
nn = torch.nn


class EveryLayer(nn.Module):
    """All layers side by side, each with its own input, and a batch norm that belongs to none."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.conv2 = nn.Conv2d(8, 6, 3, groups=2, bias=False)
        self.wide = nn.Conv2d(6, 4, (1, 5), bias=False)
        self.point = nn.Conv2d(6, 10, 1, bias=False)
        self.fc = nn.Linear(10, 7)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, inputs):
        total = 0
        for name, values in inputs.items():
            outputs = getattr(self, name)(values)
            if name == "conv1":
                outputs = self.norm(outputs)
            total = total + (outputs**2).sum() / 2
        return total


def model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return EveryLayer().eval()


def inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "conv1": (2, 3, 6, 6), "conv2": (2, 8, 5, 5), "wide": (2, 6, 3, 8), "point": (2, 6, 4, 4),
        "fc": (2, 10),
    }  # fmt: skip
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def decoded(layer, entries, scales, offsets):
    """offset + scale * transform(entry), one unit after the other, of tensors with gradients."""
    part = layer.part
    channels, rows, columns = part.unit.shape
    filters, blocks, down, across = layer.indexes.shape
    shape = (filters, part.layer.in_channels // part.layer.groups, rows * down, columns * across)
    weights = torch.zeros(shape, dtype=entries.dtype)
    for m, b, r, s in np.ndindex(filters, blocks, down, across):
        first = b * channels
        depth = min(channels, shape[1] - first)
        index = int(layer.indexes[m, b, r, s])
        own = slice(first, first + depth) if part.settings.is_product else slice(None)
        unit = entries[index, own]
        if layer.transforms is not None:
            unit = turned(unit, int(layer.transforms[m, b, r, s]))
        if scales is not None:
            unit = unit * scales[m, b, r, s]
        if offsets is not None:
            unit = unit + offsets[m, b, r, s]
        place = (
            m, slice(first, first + depth), slice(r * rows, (r + 1) * rows),
            slice(s * columns, (s + 1) * columns),
        )  # fmt: skip
        weights = weights.clone()
        weights[place] = unit
    return weights


def turned(unit, transform):
    if transform & 1:
        unit = unit.flip(-1)
    if transform & 2:
        unit = unit.flip(-2)
    return torch.rot90(unit, dims=(-2, -1)) if transform & 4 else unit


def network():
    return SMALL
