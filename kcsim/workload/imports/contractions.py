"""Einstein sums of two tensors as products of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcsim.workload.imports.products import Product
from kcsim.workload.layer import ConvLayer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class Contraction:
    """An Einstein sum of two tensors in which every index is of one of four kinds.

    Attributes
    ----------
    left, right : str
        Indexes of either side.
    output : str
    sizes : dict of str to int
    """

    left: str
    right: str
    output: str
    sizes: dict[str, int]

    @classmethod
    def of(cls, equation: str, shapes: Sequence[Sequence[int]]) -> Contraction | None:
        """The sum that an equation means; ``None`` if it is of another kind."""
        sides, arrow, output = equation.replace(" ", "").partition("->")
        inputs = sides.split(",")
        if len(inputs) != 2 or len(shapes) != 2 or "." in equation:
            return None
        left, right = inputs
        if (len(left), len(right)) != tuple(map(len, shapes)):
            return None
        if not arrow:
            once = [index for index in left + right if (left + right).count(index) == 1]
            output = "".join(sorted(once))
        if any(len(set(part)) < len(part) for part in (left, right, output)):
            return None
        sizes = dict(zip(left, shapes[0], strict=True)) | dict(zip(right, shapes[1], strict=True))
        # An index of one side that is summed up alone is no product of matrices.
        if any(index not in output and (index in left) != (index in right) for index in sizes):
            return None
        return cls(left, right, output, sizes)

    def turned(self) -> Contraction:
        """The same with the sides exchanged."""
        return Contraction(self.right, self.left, self.output, self.sizes)

    @property
    def _groups(self) -> tuple[str, str, str, str]:
        """Indexes of the batch, rows, what is summed up, and columns."""
        both = [index for index in self.left if index in self.right]
        batch = "".join(index for index in both if index in self.output)
        summed = "".join(index for index in both if index not in self.output)
        rows = "".join(index for index in self.left if index not in self.right)
        columns = "".join(index for index in self.right if index not in self.left)
        return batch, rows, summed, columns

    def product(self) -> Product:
        """The product of matrices."""
        batch, rows, summed, columns = (
            math.prod(self.sizes[index] for index in group) for group in self._groups
        )
        return Product(rows, summed, columns, (batch,), (batch,))

    def trained(self, name: str, images: int) -> tuple[ConvLayer, Callable[[Array], Array]]:
        """The layer where the right side is trained, and what makes its weights."""
        batch, _, summed, columns = self._groups
        layer, arrange = self.product().trained_right(name, False, images)

        def arranged(values: Array) -> Array:
            ordered = values.transpose([self.right.index(i) for i in batch + summed + columns])
            return arrange(ordered.reshape(-1, *self._matrix(summed, columns)))

        return layer, arranged

    def _matrix(self, *groups: str) -> tuple[int, ...]:
        return tuple(math.prod(self.sizes[index] for index in group) for group in groups)
