"""Products of matrices of any shape as layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kcsim.workload.layer import ConvLayer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """A product (.., m, k) x (.., k, n), by the rules of ``numpy.matmul``.

    Attributes
    ----------
    rows, depth, columns : int
        m, k and n.
    left, right : tuple of int
        The axes before these, of either side.
    """

    rows: int
    depth: int
    columns: int
    left: Shape
    right: Shape

    @classmethod
    def of(cls, left: Sequence[int], right: Sequence[int]) -> Product:
        """The product of tensors of these shapes."""
        a = (1, *left) if len(left) == 1 else tuple(left)
        b = (*right, 1) if len(right) == 1 else tuple(right)
        return cls(a[-2], a[-1], b[-1], a[:-2], b[:-2])

    @property
    def batch(self) -> int:
        """Products of single matrices."""
        longest = max(len(self.left), len(self.right))
        axes = [(1,) * (longest - len(side)) + side for side in (self.left, self.right)]
        return math.prod(map(max, *axes)) if longest else 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.batch * self.rows * self.depth * self.columns

    def computed(self, name: str, images: int) -> ConvLayer:
        """The layer where both sides are computed."""
        left, right = math.prod(self.left), math.prod(self.right)
        if right == 1:
            return self._heads(ConvLayer.matmul(name, left * self.rows, self.depth, self.columns))
        if left == 1:
            # The one left matrix meets all columns.
            return self._heads(ConvLayer.matmul(name, right * self.columns, self.depth, self.rows))
        layer = ConvLayer.matmul(name, self.rows, self.depth, self.columns, heads=self.batch)
        return self._heads(layer, images)

    def trained_right(
        self, name: str, bias: bool, images: int
    ) -> tuple[ConvLayer, Callable[[Array], Array]]:
        """The layer where the right side is trained, and what makes its weights (M, C, 1, 1)."""
        if math.prod(self.right) == 1:
            layer = tokens(
                name, math.prod(self.left) * self.rows, self.depth, self.columns, bias, images
            )
            return layer, lambda values: values.reshape(self.depth, self.columns).T[
                :, :, None, None
            ]
        layer = _grouped(name, self.rows, self.depth, self.columns, self.batch, bias)

        def arrange(values: Array) -> Array:
            import numpy as np

            stacked = values.reshape(-1, self.depth, self.columns)
            # Matrices that several groups share.
            stacked = np.tile(stacked, (self.batch // len(stacked), 1, 1))
            return stacked.swapaxes(1, 2).reshape(-1, self.depth, 1, 1)

        return layer, arrange

    def trained_left(
        self, name: str, bias: bool, images: int
    ) -> tuple[ConvLayer, Callable[[Array], Array]]:
        """The layer where the left side is trained, and what makes its weights (M, C, 1, 1)."""
        turned = Product(self.columns, self.depth, self.rows, self.right, self.left)
        layer, arrange = turned.trained_right(name, bias, images)

        def arrange_turned(values: Array) -> Array:
            return arrange(values.swapaxes(-1, -2) if values.ndim > 1 else values[:, None])

        return layer, arrange_turned

    @staticmethod
    def _heads(layer: ConvLayer, images: int = 1) -> ConvLayer:
        return replace(layer, per_image=per_image(layer.groups, images))


def per_image(count: int, images: int) -> int:
    """How many of a count each image brings; all of them, where that does not divide."""
    return count // images if count % images == 0 else count


def tokens(name: str, rows: int, depth: int, columns: int, bias: bool, images: int) -> ConvLayer:
    """A fully connected layer of `rows` tokens of all images together."""
    if rows % images:
        images = 1
    return ConvLayer.linear(name, depth, columns, bias=bias, batch=images, sequence=rows // images)


def _grouped(name: str, rows: int, depth: int, columns: int, groups: int, bias: bool) -> ConvLayer:
    return ConvLayer(
        name, groups * depth, groups * columns, rows, 1, 1, 1, groups=groups, bias=bias
    )
