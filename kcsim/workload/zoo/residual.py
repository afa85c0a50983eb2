"""Residual networks: ResNet, Wide ResNet; for ImageNet and for CIFAR."""

from __future__ import annotations

from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zoo.blocks import Steps, conv, norm_after_every_conv

_HE = "He et al., Deep residual learning for image recognition, CVPR 2016"
_ZAGORUYKO = "Zagoruyko and Komodakis, Wide residual networks, BMVC 2016"


def _basic_block(name: str, channels: int, width: int, size: int, stride: int) -> list[ConvLayer]:
    return [
        conv(f"{name}.conv1", channels, width, size, 3, stride=stride),
        conv(f"{name}.conv2", width, width, size // stride, 3),
    ]


def _bottleneck(
    name: str, channels: int, width: int, out_channels: int, size: int, stride: int
) -> list[ConvLayer]:
    return [
        conv(f"{name}.conv1", channels, width, size, 1),
        conv(f"{name}.conv2", width, width, size, 3, stride=stride),
        conv(f"{name}.conv3", width, out_channels, size // stride, 1),
    ]


def _resnet(
    name: str, depths: tuple[int, int, int, int], source: str, bottleneck_width: int = 0
) -> Network:
    """A ResNet for ImageNet.

    `bottleneck_width` is the first stage's width of the 3x3 convolutions, or 0 for blocks of two
    3x3 convolutions.
    """
    steps = Steps()
    steps.layer(conv("conv1", 3, 64, 224, 7, stride=2))
    steps.pool("maxpool", 3, padding=1)
    channels, size = 64, 56
    for stage, depth in enumerate(depths):
        out_channels = (256 if bottleneck_width else 64) << stage
        for index in range(depth):
            block = f"layer{stage + 1}.{index}"
            stride, start = 2 if stage and not index else 1, steps.last
            if bottleneck_width:
                width = bottleneck_width << stage
                layers = _bottleneck(block, channels, width, out_channels, size, stride)
            else:
                layers = _basic_block(block, channels, out_channels, size, stride)
            for layer in layers:
                steps.layer(layer)
            operands = [start, steps.last]
            if channels != out_channels:
                shortcut = conv(
                    f"{block}.downsample", channels, out_channels, size, 1, stride=stride
                )
                operands[0] = steps.layer(shortcut, start)
            steps.add(f"{block}.add", operands)
            channels = out_channels
            size //= stride
    norm = norm_after_every_conv(steps.layers)
    steps.pool("avgpool")
    steps.layer(ConvLayer.linear("fc", channels, 1000))
    return steps.network(name, norm, source)


def resnet18() -> Network:
    """ResNet-18 [1]_.

    References
    ----------
    .. [1] He, Zhang, Ren and Sun, Deep residual learning for image recognition, CVPR 2016,
       table 1.
    """
    return _resnet("resnet18", (2, 2, 2, 2), _HE)


def resnet34() -> Network:
    """ResNet-34; He et al., CVPR 2016, table 1."""
    return _resnet("resnet34", (3, 4, 6, 3), _HE)


def resnet50() -> Network:
    """ResNet-50 in the form of torchvision, with the stride in the 3x3 convolutions.

    He et al., CVPR 2016, table 1, have it in the first 1x1 convolution of a block: fewer
    multiply-accumulates, the same parameters.
    """
    source = f"{_HE}; stride in the 3x3 convolutions as in torchvision"
    return _resnet("resnet50", (3, 4, 6, 3), source, bottleneck_width=64)


def wide_resnet50_2() -> Network:
    """ResNet-50 with 3x3 convolutions twice as wide, as in torchvision [1]_.

    References
    ----------
    .. [1] Zagoruyko and Komodakis, Wide residual networks, BMVC 2016, table 8.
    """
    return _resnet("wide_resnet50_2", (3, 4, 6, 3), _ZAGORUYKO, bottleneck_width=128)


def _cifar_resnet(name: str, depth: int) -> Network:
    steps = Steps()
    steps.layer(conv("conv1", 3, 16, 32, 3))
    channels, size = 16, 32
    for stage, width in enumerate((16, 32, 64), start=1):
        for index in range(depth):
            stride, start, block = width // channels, steps.last, f"l{stage}.{index}"
            steps.layer(conv(f"{block}.c1", channels, width, size, 3, stride=stride))
            steps.layer(conv(f"{block}.c2", width, width, size // stride, 3))
            steps.add(f"{block}.add", [start, steps.last])
            channels = width
            size //= stride
    norm = norm_after_every_conv(steps.layers)
    steps.pool("avgpool")
    steps.layer(ConvLayer.linear("fc", 64, 10))
    source = f"{_HE}, section 4.2; shortcuts without parameters (option A)"
    return steps.network(name, norm, source)


def resnet20() -> Network:
    """ResNet-20 for CIFAR-10; He et al., CVPR 2016, section 4.2, option A shortcuts."""
    return _cifar_resnet("resnet20", depth=3)


def resnet56() -> Network:
    """ResNet-56 for CIFAR-10; He et al., CVPR 2016, section 4.2, option A shortcuts."""
    return _cifar_resnet("resnet56", depth=9)


def _wide_resnet(name: str, depth: int, widening: int, classes: int) -> Network:
    """A Wide ResNet for CIFAR, of blocks that normalize before each convolution."""
    steps = Steps()
    steps.layer(conv("conv1", 3, 16, 32, 3))
    norm_channels = 0
    channels, size = 16, 32
    for group in (1, 2, 3):
        width = 16 * widening << (group - 1)
        for index in range((depth - 4) // 6):
            block = f"g{group}.b{index}"
            stride = 2 if group > 1 and not index else 1
            operands = [steps.last]
            steps.layer(conv(f"{block}.c1", channels, width, size, 3, stride=stride))
            operands.append(steps.layer(conv(f"{block}.c2", width, width, size // stride, 3)))
            if channels != width:
                shortcut = conv(f"{block}.sc", channels, width, size, 1, stride=stride)
                operands[0] = steps.layer(shortcut, operands[0])
            steps.add(f"{block}.add", operands)
            norm_channels += channels + width
            channels = width
            size //= stride
    steps.pool("avgpool")
    steps.layer(ConvLayer.linear("fc", channels, classes))
    return steps.network(name, 2 * (norm_channels + channels), _ZAGORUYKO)


def wrn_16_4() -> Network:
    """WRN-16-4 for CIFAR-10 [1]_.

    References
    ----------
    .. [1] Zagoruyko and Komodakis, Wide residual networks, BMVC 2016, tables 1 and 4.
    """
    return _wide_resnet("wrn_16_4", 16, 4, classes=10)


def wrn_28_10() -> Network:
    """WRN-28-10 for CIFAR-10; Zagoruyko and Komodakis, BMVC 2016, tables 1 and 4."""
    return _wide_resnet("wrn_28_10", 28, 10, classes=10)


def wrn_16_4_cifar100() -> Network:
    """WRN-16-4 for CIFAR-100; Zagoruyko and Komodakis, BMVC 2016, tables 1 and 4."""
    return _wide_resnet("wrn_16_4_cifar100", 16, 4, classes=100)


def wrn_28_10_cifar100() -> Network:
    """WRN-28-10 for CIFAR-100; Zagoruyko and Komodakis, BMVC 2016, tables 1 and 4."""
    return _wide_resnet("wrn_28_10_cifar100", 28, 10, classes=100)
