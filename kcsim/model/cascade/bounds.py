"""What every tile of a cascade costs at least, all tiles of a layer at once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kcsim.hardware.level import Access
from kcsim.hardware.zeros import left_of_macs
from kcsim.mapping.search import objective_value
from kcsim.model.cascade.plan import SharedLayer, index_level
from kcsim.model.cascade.tiles import PhaseShapes, Tile
from kcsim.workload.layer import TENSORS, Tensor

__all__ = ["Bounds"]


@dataclass(frozen=True, eq=False)
class Bounds:
    """The tiles that fit a home, and lower bounds of what they cost.

    Attributes
    ----------
    tiles : list of Tile
    energy_pj, cycles : float64[tiles]
    """

    tiles: list[Tile]
    energy_pj: np.ndarray
    cycles: np.ndarray

    @classmethod
    def of(cls, shared: SharedLayer, home: int, last: int) -> Bounds:
        """All tiles for one place of the intermediate tensor."""
        tiles = _tiles(shared, whole=home == 0)
        table = _Table(shared, tiles)
        fits = table.fits(home)
        energy, cycles = table.energy_pj(home, last), table.cycles()
        kept = [tiles[i] for i in np.flatnonzero(fits)]
        return cls(kept, energy[fits], cycles[fits])

    def values(self, objective: str) -> np.ndarray:
        """Lower bounds of an objective."""
        found = objective_value(objective, self.energy_pj, self.cycles)  # type: ignore[arg-type]
        return np.asarray(found)


def _tiles(shared: SharedLayer, whole: bool) -> list[Tile]:
    """Every tile that divides the layer and cuts no unit."""
    layer, depth = shared.layer, shared.unit.channels
    all_of_it = Tile.whole(layer)
    if whole:
        return [all_of_it]
    choices = [_divisors(size) for size in all_of_it]
    channels = all_of_it.C
    choices[3] = [channels]
    if channels % depth == 0:
        choices[3] = [depth * blocks for blocks in _divisors(channels // depth)]
    return [Tile(*sizes) for sizes in itertools.product(*choices)]


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


class _Table:
    """All tiles of a layer as arrays."""

    def __init__(self, shared: SharedLayer, tiles: list[Tile]) -> None:
        self.shared = shared
        tile = Tile(*np.array(tiles, np.int64).T)
        self.shapes = PhaseShapes(shared.layer, shared.unit, shared.sharing, tile)
        key = tile.M if shared.sharing == "share_products" else tile.C
        self.width, self.entries = np.zeros(len(tiles)), np.zeros(len(tiles))
        for size in np.unique(key):
            widths = shared.widths(tiles[int(np.argmax(key == size))])
            self.width[key == size] = max(widths, default=0)
            self.entries[key == size] = sum(e * n for e, n in widths.items())
        rounds = tile.rounds(shared.layer)
        self.again = rounds.N * rounds.P * rounds.Q
        self.runs = self.again * rounds.G * rounds.M * rounds.C
        self.accumulated = shared.layer.output_words * (rounds.C - 1)

    @property
    def tables(self) -> np.ndarray:
        """Words of the intermediate tensor in one tile."""
        return np.asarray(self.shapes.shared_tables * self.width)

    @property
    def gathered(self) -> np.ndarray:
        """Values gathered, over all tiles."""
        rows, columns = self.shapes.shared_positions
        tile, depth = self.shapes.tile, self.shared.depth
        positions = tile.P * tile.Q
        if self.shared.sharing == "share_sums":
            positions = rows * columns * depth
        return np.asarray(
            self.shapes.units * tile.N * positions * self.runs * (1 + self.shared.has_offsets)
        )

    @property
    def words(self) -> np.ndarray:
        """Words of the intermediate tensor that are computed, over all tiles."""
        rows, columns = self.shapes.shared_positions
        depth = self.shared.depth
        return np.asarray(self.entries * self.shapes.tile.N * rows * columns * depth * self.again)

    @property
    def macs(self) -> np.ndarray:
        """Products with entries, over all tiles."""
        unit = self.shared.unit
        if self.shared.sharing == "share_products":
            return self.words * unit.size
        tile = self.shapes.tile
        return np.asarray(self.entries * unit.size * tile.N * tile.P * tile.Q * self.again)

    def fits(self, home: int) -> np.ndarray:
        """Whether the tiles of all tensors have room in the home."""
        shared, shapes = self.shared, self.shapes
        hardware = shared.hardware
        level, precision = hardware.levels[home], hardware.precision_bits
        needed: dict[str, Any] = {
            "weights": shapes.units * float(shared.form.unit_bits),
            "inputs": shapes.input_words * float(precision.inputs),
            "outputs": shapes.output_words * float(precision.outputs),
        }
        if index_level(hardware, home) != home:
            needed["weights"] = np.zeros(len(self.width))
        needed[shared.role] = needed[shared.role] + self.tables * precision.outputs
        fits = self.width > 0
        for group in [p.tensors for p in level.partitions] or [TENSORS]:
            room = level.capacity_bits(group[0])
            if room is not None:
                fits &= sum(needed[tensor] for tensor in group) <= room
        return np.asarray(fits)

    def energy_pj(self, home: int, last: int) -> np.ndarray:
        """What must be spent: computing, gathering, and moving everything through the home once."""
        shared, hardware = self.shared, self.shared.hardware
        compute, precision = hardware.compute, hardware.precision_bits
        left = self._left
        energy = left * (self.macs * compute.mac_pj + self.gathered * hardware.add_pj)
        energy += (
            left
            * self.gathered
            * hardware.multiply_pj
            * (shared.has_factors + shared.has_offsets)
            / (1 + shared.has_offsets)
        )
        role = shared.role
        price = {
            (i, action): hardware.levels[i].energy_pj(role, action)
            * precision.outputs / (hardware.levels[i].word_bits * hardware.levels[i].block_words)
            for i in (home, last) for action in ("read", "update", "write")
        }  # fmt: skip
        if shared.sharing == "share_products":
            energy += left * self.gathered * price[last, "read"]
            energy += self.words * price[home, "update"]
        else:
            energy += left * self.gathered * (price[last, "read"] + price[last, "update"])
            energy += self.words * price[home, "read"]
        if last != home:
            moved = self.tables * self.runs
            energy += moved * (
                price[home, "read"] + price[last, "write"]
                if shared.sharing == "share_products" else price[home, "update"]
            )  # fmt: skip
        return np.asarray(energy + left * self._served_pj() + self._moved_pj(home))

    def _served_pj(self) -> np.ndarray:
        """What the innermost level spends on operands and sums, which it serves one by one."""
        shared, hardware = self.shared, self.shared.hardware
        level, precision = hardware.levels[-1], hardware.precision_bits
        decoded = shared.form.decode_level < len(hardware.levels) - 1
        entry_bits = precision.weights if decoded else 1

        def price(tensor: Tensor, bits: float) -> float:
            if tensor not in level.kept_tensors or tensor in level.may_bypass:
                return 0.0
            action: Access = "update" if tensor == "outputs" else "read"
            words = bits / (level.word_bits * level.block_words)
            return words * level.energy_pj(tensor, action)

        outputs = price("outputs", precision.outputs)
        inputs = price("inputs", min(precision.inputs, precision.outputs))
        other = outputs if shared.role == "inputs" else inputs
        gathered = price("weights", float(shared.form.unit_bits)) + other
        total = self.macs * (price("weights", entry_bits) + inputs + outputs)
        return np.asarray(total + self.gathered / (1 + shared.has_offsets) * gathered)

    def _moved_pj(self, home: int) -> np.ndarray:
        """Inputs and outputs: through the home once a tile, and through all above it once."""
        shared, shapes = self.shared, self.shapes
        hardware = shared.hardware
        precision = hardware.precision_bits
        inputs, outputs = shapes.input_words * self.runs, shapes.output_words * self.runs
        total = np.zeros(len(self.width))
        for i, level in enumerate(hardware.levels[: home + 1]):
            word = level.word_bits * level.block_words
            read = level.energy_pj("inputs", "read") * precision.inputs / word
            update = level.energy_pj("outputs", "update") * precision.outputs / word
            again = level.energy_pj("outputs", "read") * precision.outputs / word
            compressed = bool(level.compression) and bool(shared.layer.zeros)
            if i == home:
                total += inputs * read + outputs * update + self.accumulated * again
            elif not compressed:
                words = shared.layer.output_words
                total += words * update * ("outputs" in level.kept_tensors)
        return total

    def cycles(self) -> np.ndarray:
        """Every product and every gathered value takes a MAC unit for a while."""
        hardware = self.shared.hardware
        busy = (self.macs + self.gathered) * hardware.compute.cycles_per_mac
        return np.asarray(busy / hardware.mac_units * self._left)

    @property
    def _left(self) -> float:
        """Share of the work that is left at least, where the MAC units leave out zeros."""
        zeros, units = self.shared.layer.zeros, self.shared.distinct.zero_share
        zeros = replace(zeros, weights=max(zeros.weights, units))
        return float(left_of_macs(self.shared.hardware.compute, zeros))
