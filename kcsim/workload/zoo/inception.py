"""GoogLeNet."""

from __future__ import annotations

from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zoo.blocks import conv, norm_after_every_conv

# Module, input size, and output channels of the columns of Szegedy et al., table 1:
# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
_MODULES = (
    ("3a", 28, 64, 96, 128, 16, 32, 32),
    ("3b", 28, 128, 128, 192, 32, 96, 64),
    ("4a", 14, 192, 96, 208, 16, 48, 64),
    ("4b", 14, 160, 112, 224, 24, 64, 64),
    ("4c", 14, 128, 128, 256, 24, 64, 64),
    ("4d", 14, 112, 144, 288, 32, 64, 64),
    ("4e", 14, 256, 160, 320, 32, 128, 128),
    ("5a", 7, 256, 160, 320, 32, 128, 128),
    ("5b", 7, 384, 192, 384, 48, 128, 128),
)


def _googlenet(large_kernel: int, bias: bool) -> list[ConvLayer]:
    layers = [
        conv("conv1", 3, 64, 224, 7, stride=2, bias=bias),
        conv("conv2", 64, 64, 56, 1, bias=bias),
        conv("conv3", 64, 192, 56, 3, bias=bias),
    ]
    channels = 192
    for module, size, single, reduce3, triple, reduce5, large, pool in _MODULES:
        for branch, inputs, outputs, kernel in (
            ("1x1", channels, single, 1),
            ("3x3r", channels, reduce3, 1),
            ("3x3", reduce3, triple, 3),
            ("5x5r", channels, reduce5, 1),
            ("5x5", reduce5, large, large_kernel),
            ("pool", channels, pool, 1),
        ):
            layers.append(conv(f"{module}.{branch}", inputs, outputs, size, kernel, bias=bias))
        channels = single + triple + large + pool
    return [*layers, ConvLayer.linear("fc", channels, 1000)]


def googlenet() -> Network:
    """GoogLeNet as published [1]_, without the auxiliary classifiers used in training.

    References
    ----------
    .. [1] Szegedy et al., Going deeper with convolutions, CVPR 2015, table 1.
    """
    source = "Szegedy et al., Going deeper with convolutions, CVPR 2015"
    return Network("googlenet", tuple(_googlenet(5, bias=True)), source=source)


def googlenet_torchvision() -> Network:
    """GoogLeNet as in torchvision: batch normalization, and 3x3 filters in the "5x5" branches."""
    layers = _googlenet(3, bias=False)
    norm = norm_after_every_conv(layers)
    return Network("googlenet_torchvision", tuple(layers), norm, "torchvision, googlenet")
