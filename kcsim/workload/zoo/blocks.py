"""What the tables of all families are written with."""

from __future__ import annotations

from collections.abc import Sequence

from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Edge, Network
from kcsim.workload.operation import Operation, addition, concatenation, pooling


def conv(
    name: str,
    in_channels: int,
    out_channels: int,
    size: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    bias: bool = False,
) -> ConvLayer:
    """A convolution of a square image by a square filter.

    `padding` is `(kernel - 1) // 2` unless given: an odd filter of stride 1 then keeps the size.
    """
    if padding is None:
        padding = (kernel - 1) // 2
    return ConvLayer(
        name,
        in_channels,
        out_channels,
        size,
        size,
        kernel,
        kernel,
        stride=stride,
        padding=padding,
        groups=groups,
        bias=bias,
    )


def norm_after_every_conv(layers: list[ConvLayer]) -> int:
    """Scales and shifts where a batch normalization follows each convolution."""
    return 2 * sum(layer.out_channels for layer in layers if layer.kind == "conv")


class Steps:
    """Layers and operations of a network on square images, with who feeds whom.

    A step is fed by the one before it, unless it says by which.

    Attributes
    ----------
    layers : list of ConvLayer
    last : str
        The step before the next one; empty for the image.
    """

    def __init__(self) -> None:
        self.layers: list[ConvLayer] = []
        self.last = ""
        self._operations: list[Operation] = []
        self._edges: list[Edge] = []
        # Channels and rows of what a step makes.
        self._shapes: dict[str, tuple[int, int]] = {}

    def layer(self, layer: ConvLayer, after: str | None = None) -> str:
        """Append a layer, and return its name."""
        self.layers.append(layer)
        sources = (self.last if after is None else after,)
        return self._leave(layer.name, sources, layer.out_channels, layer.out_height)

    def add(self, name: str, operands: Sequence[str]) -> str:
        """The sum of what some steps make."""
        channels, size = self._shapes[operands[-1]]
        self._operations.append(addition(name, channels * size**2, len(operands)))
        return self._leave(name, operands, channels, size)

    def concat(self, name: str, parts: Sequence[str]) -> str:
        """Channels of what some steps make, one behind the other."""
        channels = sum(self._shapes[part][0] for part in parts)
        size = self._shapes[parts[-1]][1]
        self._operations.append(concatenation(name, channels * size**2))
        return self._leave(name, parts, channels, size)

    def pool(
        self,
        name: str,
        kernel: int = 0,
        stride: int = 2,
        *,
        padding: int = 0,
        ceil: bool = False,
        after: str | None = None,
    ) -> str:
        """A pooling by square windows; of whole images where no window is given."""
        source = self.last if after is None else after
        channels, size = self._shapes[source]
        kernel = kernel or size
        steps = size + 2 * padding - kernel
        behind = (-(-steps // stride) if ceil else steps // stride) + 1
        words = channels * size**2, channels * behind**2
        self._operations.append(pooling(name, *words, kernel**2))
        return self._leave(name, (source,), channels, behind)

    def network(self, name: str, norm_parameters: int, source: str) -> Network:
        """All of it."""
        return Network(
            name, tuple(self.layers), norm_parameters, source,
            operations=tuple(self._operations), edges=tuple(self._edges),
        )  # fmt: skip

    def _leave(self, name: str, sources: Sequence[str], channels: int, size: int) -> str:
        self._edges += [(source, name) for source in sources if source]
        self._shapes[name], self.last = (channels, size), name
        return name
