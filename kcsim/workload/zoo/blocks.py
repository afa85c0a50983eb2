"""What the tables of all families are written with."""

from __future__ import annotations

from kcsim.workload.layer import ConvLayer


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
