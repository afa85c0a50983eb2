"""GoogLeNet."""

from __future__ import annotations

from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zoo.blocks import Steps, conv, norm_after_every_conv

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


_POOLED = ("3b", "4e")
"""Modules that a pooling follows."""


def _googlenet(large_kernel: int, bias: bool) -> Steps:
    """All but the classifier."""
    steps = Steps()
    steps.layer(conv("conv1", 3, 64, 224, 7, stride=2, bias=bias))
    steps.pool("maxpool1", 3, ceil=True)
    steps.layer(conv("conv2", 64, 64, 56, 1, bias=bias))
    steps.layer(conv("conv3", 64, 192, 56, 3, bias=bias))
    start, channels = steps.pool("maxpool2", 3, ceil=True), 192
    for module, size, single, reduce3, triple, reduce5, large, pool in _MODULES:
        branches = []
        for columns in (
            (("1x1", channels, single, 1),),
            (("3x3r", channels, reduce3, 1), ("3x3", reduce3, triple, 3)),
            (("5x5r", channels, reduce5, 1), ("5x5", reduce5, large, large_kernel)),
        ):
            steps.last = start
            for branch, inputs, outputs, kernel in columns:
                steps.layer(conv(f"{module}.{branch}", inputs, outputs, size, kernel, bias=bias))
            branches.append(steps.last)
        steps.pool(f"{module}.maxpool", 3, 1, padding=1, after=start)
        branches.append(steps.layer(conv(f"{module}.pool", channels, pool, size, 1, bias=bias)))
        start, channels = steps.concat(f"{module}.concat", branches), single + triple + large + pool
        if module in _POOLED:
            start = steps.pool(f"{module}.behind", 3, ceil=True)
    return steps


def _classified(steps: Steps, name: str, norm_parameters: int, source: str) -> Network:
    steps.pool("avgpool")
    steps.layer(ConvLayer.linear("fc", 1024, 1000))
    return steps.network(name, norm_parameters, source)


def googlenet() -> Network:
    """GoogLeNet as published [1]_, without the auxiliary classifiers used in training.

    References
    ----------
    .. [1] Szegedy et al., Going deeper with convolutions, CVPR 2015, table 1.
    """
    source = "Szegedy et al., Going deeper with convolutions, CVPR 2015"
    return _classified(_googlenet(5, bias=True), "googlenet", 0, source)


def googlenet_torchvision() -> Network:
    """GoogLeNet as in torchvision: batch normalization, and 3x3 filters in the "5x5" branches."""
    steps = _googlenet(3, bias=False)
    norm = norm_after_every_conv(steps.layers)
    return _classified(steps, "googlenet_torchvision", norm, "torchvision, googlenet")
