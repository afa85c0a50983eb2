"""A clustered layer as a parametrization of torch: weights are decoded anew at each use."""

from __future__ import annotations

import numpy as np

from kcsim.clustering.precision import StoredValues
from kcsim.clustering.scheme import Clustering
from kcsim.errors import InputError, Problem
from kcsim.retrain.layers import four_axes
from kcsim.retrain.saved_tensors import is_recomputed
from kcsim.retrain.scaled import rounded, scaled
from kcsim.retrain.torch_extra import nn, torch
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.weights.k_means import transform_orders

_SMALL = (torch.uint8, torch.int16, torch.int32)


class TiedCodebook(nn.Module):
    """The entries of a codebook, kept once however many layers share them.

    Attributes
    ----------
    entries : Parameter, shape (K, channels, rows, columns)
    keep : bool tensor of that shape, or None
        False where an entry is zero and stays zero; ``None`` if there is no such entry.
    """

    def __init__(self, codebook: Codebook, settings: Clustering, device: torch.device) -> None:
        super().__init__()
        self.name, self.bits = codebook.name, settings.codebook_bits or 32
        values = torch.tensor(codebook.entries.values, device=device)
        self.entries = nn.Parameter(values)
        channels = values.shape[1]
        length = (settings.length or 1) if settings.is_product else channels
        zero = torch.stack(
            [(part == 0).flatten(1).all(1) for part in torch.split(values, length, 1)], 1
        )
        keep = ~zero.repeat_interleave(length, 1)[:, :channels, None, None]
        self.keep: torch.Tensor | None
        self.register_buffer("keep", keep.expand_as(values).clone() if zero.any() else None)

    def forward(self) -> torch.Tensor:
        """The entries as they are stored, those that are zero out of reach of gradients."""
        entries = rounded(self.entries, self.bits)
        return entries if self.keep is None else torch.where(self.keep, entries, 0)

    def stored(self) -> torch.Tensor:
        """The entries before they are rounded, without those that are zero."""
        return self.entries if self.keep is None else torch.where(self.keep, self.entries, 0)


class TiedWeight(nn.Module):
    """offset + scale * transform(entry) for every unit of a layer; a parametrization.

    Attributes
    ----------
    indexes : uint8, int16 or int32 tensor, shape (M, C/channels, R/rows, S/columns)
    transforms : uint8 tensor or None
    scales, offsets : Parameter or None
    keep : bool tensor or None
        False for units that are zero, and stay zero, where there are scales and such units.
    rate : float
        What gradients of units are multiplied by where they may change their entry.
    ready : Tensor or None
        Weights that were decoded for the pass that is under way; see `kcsim.retrain.ahead`.
    """

    def __init__(
        self,
        layer: ClusteredLayer,
        codebook: TiedCodebook,
        owns_codebook: bool,
        weight: torch.Tensor,
    ) -> None:
        super().__init__()
        part, device = layer.part, weight.device
        assert part.unit is not None
        self.layer = part.layer.name
        if owns_codebook:
            self.codebook = codebook
        # Layers that share a codebook hold it, but only the first one is its parent.
        self._shared = (codebook,)
        self._shape, self._axes = tuple(weight.shape), four_axes(weight)
        self._unit = part.unit.shape
        self._is_in_order = _is_in_order(layer.indexes.shape[1:], part.unit.shape, self._axes)
        self._length = (part.settings.length or 1) if part.settings.is_product else 0
        self._turns = part.settings.transforms
        self._bits = (part.settings.scale_bits, part.settings.offset_bits)
        orders = None
        if self._turns > 1:
            orders = torch.from_numpy(transform_orders(self._turns, self._unit[1:])).to(device)
        self.orders: torch.Tensor | None
        self.register_buffer("orders", orders, persistent=False)
        self.indexes: torch.Tensor
        self.register_buffer("indexes", small(layer.indexes, part.clusters).to(device))
        turned = None if layer.transforms is None else torch.tensor(layer.transforms)
        self.transforms: torch.Tensor | None
        self.register_buffer("transforms", turned if turned is None else turned.to(device))
        self.scales = _parameter(layer.scales, device)
        self.offsets = _parameter(layer.offsets, device)
        # Units that are zero stay zero.
        zero = None if self.scales is None else self.scales.detach() == 0
        if zero is not None and self.offsets is not None:
            zero &= self.offsets.detach() == 0
        self.keep: torch.Tensor | None
        self.register_buffer("keep", ~zero if zero is not None and zero.any() else None)
        self.drift: torch.Tensor | None
        self.register_buffer("drift", None)
        self.rate = 0.0
        self.ready: torch.Tensor | None = None
        self._is_closed = False

    @property
    def shared(self) -> TiedCodebook:
        """The codebook, whoever owns it."""
        return self._shared[0]

    def forward(self) -> torch.Tensor:
        """The weights, in the shape of the layer's tensor."""
        ready, self.ready = self.ready, None
        return self.weights() if ready is None or is_recomputed() else ready

    def weights(self) -> torch.Tensor:
        """The weights, decoded now."""
        weights = self.decoded()
        weights = weights.view(self._shape) if self._is_in_order else self.join(weights)
        if self.drift is not None and self.training and weights.requires_grad:
            weights.register_hook(self._record)  # type: ignore[no-untyped-call]
        return weights

    def follow(self, original: torch.Tensor, rate: float) -> None:
        """From now on, remember where gradients draw each unit.

        Parameters
        ----------
        original : Tensor
            The weights before they were tied.
        rate : float
            Of those steps.
        """
        self.rate = rate
        drift = self.cut(original.detach()) - self.cut(self.join(self.units()))
        self.register_buffer("drift", drift)

    def _record(self, gradient: torch.Tensor) -> None:
        assert self.drift is not None
        self.drift.add_(self.cut(gradient), alpha=-self.rate)

    def units(self) -> torch.Tensor:
        """The decoded units: (M, C', R', S', channels, rows, columns)."""
        return self.decoded().view(*self.indexes.shape, *self._unit)

    def decoded(self) -> torch.Tensor:
        """The decoded units one after the other: shape (units, values), or (units,) of scalars."""
        # No indexing by a tensor: its gradient is summed in an order that threads decide. Vectors
        # of indexes of 64 bits are what sums of gradients are ten times as fast by.
        table = self.table()
        table = table.flatten() if table.shape[1] == 1 else table
        units = table.index_select(0, self.rows())
        if self.scales is None:
            return units
        return scaled(units, self.scales, self.offsets, self.keep, self._bits)

    def right_inverse(self, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """No tensors of its own; torch asks when a module is tied, and when somebody assigns."""
        if self._is_closed:
            what = f"layer {self.layer!r} is tied to a codebook: its weights cannot be assigned"
            expected = "changes of the codebook's entries, or a model that Tied.finalize returned"
            raise InputError(Problem(what, expected))
        return ()

    def close(self) -> None:
        """All modules that have the tensor were told: from now on nobody may assign to it."""
        self._is_closed = True

    def table(self) -> torch.Tensor:
        """All that a unit can be before scale and offset: shape (rows, values of a unit)."""
        return self._tabled(self.shared())

    def _tabled(self, entries: torch.Tensor) -> torch.Tensor:
        clusters = len(entries)
        if self._length:
            missing = -entries.shape[1] % self._length
            columns = nn.functional.pad(entries.flatten(1), (0, missing))
            return columns.view(clusters, -1, self._length).transpose(0, 1).flatten(0, 1)
        flat = entries.flatten(1)
        if self.orders is None:
            return flat
        turned = flat.index_select(1, self.orders.flatten())
        return turned.view(clusters * self._turns, -1)

    def rows(self) -> torch.Tensor:
        """The row of `table` of each unit: int64[units]."""
        rows = self.indexes.long()
        if self._length:
            blocks = torch.arange(rows.shape[1], device=rows.device)
            rows = rows + blocks[:, None, None] * len(self.shared.entries)
        if self.transforms is not None:
            rows = rows * self._turns + self.transforms
        return rows.flatten()

    def set_rows(self, rows: torch.Tensor) -> None:
        """Point units to other rows of `table`."""
        rows = rows.view(self.indexes.shape)
        if self.transforms is not None:
            self.transforms.copy_(rows % self._turns)
            rows = rows // self._turns
        if self._length:
            rows = rows % len(self.shared.entries)
        self.indexes.copy_(rows)

    def moves(self) -> torch.Tensor:
        """Which units may change their entry, those that stay zero apart: bool[units]."""
        if self.keep is not None:
            return self.keep.flatten()
        keep = self.shared.keep
        if keep is None:
            return torch.ones(self.indexes.numel(), dtype=torch.bool, device=self.indexes.device)
        return self._tabled(keep).any(1).index_select(0, self.rows())

    def block_rows(self) -> list[tuple[torch.Tensor, int, int]]:
        """Units that choose among the same rows of `table`: their places, first row, rows."""
        places = torch.arange(self.indexes.numel(), device=self.indexes.device)
        clusters = len(self.shared.entries)
        if not self._length:
            return [(places, 0, clusters * self._turns)]
        by_block = places.view(self.indexes.shape).transpose(0, 1).flatten(1)
        return [(each, block * clusters, clusters) for block, each in enumerate(by_block)]

    def join(self, units: torch.Tensor) -> torch.Tensor:
        """Units as of `units` or `decoded` as the layer's tensor."""
        units = units.view(*self.indexes.shape, *self._unit)
        filters, blocks, rows, columns, *unit = units.shape
        weights = units.permute(0, 1, 4, 2, 5, 3, 6).reshape(
            filters, blocks * unit[0], rows * unit[1], columns * unit[2]
        )
        channels = self._axes[1]
        if weights.shape[1] != channels:
            weights = weights[:, :channels].contiguous()
        return weights.reshape(self._shape)

    def cut(self, weights: torch.Tensor) -> torch.Tensor:
        """The inverse of `join`; sub-vectors that are short are filled up with zeros."""
        channels, rows, columns = self._unit
        weights = weights.reshape(self._axes)
        missing = -weights.shape[1] % channels
        weights = nn.functional.pad(weights, (0, 0, 0, 0, 0, missing))
        filters, all_channels, height, width = weights.shape
        blocks = weights.view(
            filters, all_channels // channels, channels, height // rows, rows,
            width // columns, columns,
        )  # fmt: skip
        return blocks.permute(0, 1, 3, 5, 2, 4, 6).contiguous()

    def extra_repr(self) -> str:
        """What `repr` says beside the name."""
        return f"{self.layer}, codebook {self.shared.name!r}"


def _is_in_order(blocks: tuple[int, ...], unit: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether the values of units, one after the other, are in the order of the layer's tensor."""
    return (
        blocks[0] * unit[0] == axes[1]
        and (unit[0] == 1 or blocks[1] == blocks[2] == 1)
        and (unit[1] == 1 or blocks[2] == 1)
    )


def small(numbers: np.ndarray, count: int) -> torch.Tensor:
    """Numbers from 0 to `count` - 1 in the smallest type of torch that computes with them."""
    kind = next(kind for kind in _SMALL if count - 1 <= torch.iinfo(kind).max)
    return torch.tensor(np.array(numbers)).to(kind)


def _parameter(stored: StoredValues | None, device: torch.device) -> nn.Parameter | None:
    return None if stored is None else nn.Parameter(torch.tensor(stored.values, device=device))
