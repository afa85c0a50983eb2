"""Networks with few parameters: SqueezeNet, MobileNet, DenseNet."""

from __future__ import annotations

from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zoo.blocks import Steps, conv, norm_after_every_conv

_IANDOLA = "Iandola et al., SqueezeNet, arXiv:1602.07360"


def _squeezenet(
    name: str, first: ConvLayer, sizes: tuple[int, int, int], pools: tuple[int, int], source: str
) -> Network:
    """A SqueezeNet whose fire modules lie on images of `sizes`, the next one after each of `pools`.

    `pools` are the fire modules that a pooling follows.
    """
    steps = Steps()
    steps.layer(first)
    steps.pool("maxpool1", 3, ceil=True)
    channels = first.out_channels
    for fire, squeeze in enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2):
        expand = 4 * squeeze
        size = sizes[sum(fire > pool for pool in pools)]
        start = steps.layer(conv(f"f{fire}.s1", channels, squeeze, size, 1, bias=True))
        one = steps.layer(conv(f"f{fire}.e1", squeeze, expand, size, 1, bias=True))
        three = steps.layer(conv(f"f{fire}.e3", squeeze, expand, size, 3, bias=True), start)
        steps.concat(f"f{fire}.concat", [one, three])
        if fire in pools:
            steps.pool(f"maxpool{fire}", 3, ceil=True)
        channels = 2 * expand
    steps.layer(conv("conv10", channels, 1000, sizes[-1], 1, bias=True))
    steps.pool("avgpool")
    return steps.network(name, 0, source)


def squeezenet1_0() -> Network:
    """SqueezeNet 1.0 [1]_.

    References
    ----------
    .. [1] Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters,
       arXiv:1602.07360, table 1; 224x224 images as in torchvision.
    """
    first = conv("conv1", 3, 96, 224, 7, stride=2, padding=0, bias=True)
    return _squeezenet("squeezenet1_0", first, (54, 27, 13), (4, 8), _IANDOLA)


def squeezenet1_1() -> Network:
    """SqueezeNet 1.1: a smaller first layer, earlier pooling [1]_.

    References
    ----------
    .. [1] https://github.com/forresti/SqueezeNet, SqueezeNet_v1.1; 224x224 images as in
       torchvision.
    """
    first = conv("conv1", 3, 64, 224, 3, stride=2, padding=0, bias=True)
    source = f"{_IANDOLA}; version 1.1 of its repository"
    return _squeezenet("squeezenet1_1", first, (55, 27, 13), (3, 5), source)


def mobilenet_v1() -> Network:
    """MobileNet 1.0-224 [1]_.

    References
    ----------
    .. [1] Howard et al., MobileNets: efficient convolutional neural networks for mobile vision
       applications, arXiv:1704.04861, table 1.
    """
    steps = Steps()
    steps.layer(conv("conv1", 3, 32, 224, 3, stride=2))
    channels, size = 32, 112
    for index, (width, stride) in enumerate(
        [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
        + [(512, 1)] * 5
        + [(1024, 2), (1024, 1)],
        start=1,
    ):
        depthwise = conv(f"dw{index}", channels, channels, size, 3, stride=stride, groups=channels)
        size //= stride
        steps.layer(depthwise)
        steps.layer(conv(f"pw{index}", channels, width, size, 1))
        channels = width
    norm = norm_after_every_conv(steps.layers)
    steps.pool("avgpool")
    steps.layer(ConvLayer.linear("fc", channels, 1000))
    return steps.network("mobilenet_v1", norm, "Howard et al., arXiv:1704.04861")


def mobilenet_v2() -> Network:
    """MobileNetV2 1.0-224 [1]_.

    References
    ----------
    .. [1] Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, CVPR 2018,
       table 2.
    """
    steps = Steps()
    steps.layer(conv("conv0", 3, 32, 224, 3, stride=2))
    channels, size, block = 32, 112, 0
    for expansion, width, repeats, first_stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for repeat in range(repeats):
            block += 1
            stride = 1 if repeat else first_stride
            hidden, start = expansion * channels, steps.last
            if expansion > 1:
                steps.layer(conv(f"b{block}.exp", channels, hidden, size, 1))
            name = f"b{block}.dw"
            steps.layer(conv(name, hidden, hidden, size, 3, stride=stride, groups=hidden))
            size //= stride
            steps.layer(conv(f"b{block}.proj", hidden, width, size, 1))
            if repeat:
                steps.add(f"b{block}.add", [start, steps.last])
            channels = width
    steps.layer(conv("conv_last", channels, 1280, size, 1))
    norm = norm_after_every_conv(steps.layers)
    steps.pool("avgpool")
    steps.layer(ConvLayer.linear("fc", 1280, 1000))
    return steps.network("mobilenet_v2", norm, "Sandler et al., MobileNetV2, CVPR 2018")


def densenet121() -> Network:
    """DenseNet-121 of growth rate 32 [1]_.

    References
    ----------
    .. [1] Huang, Liu, van der Maaten and Weinberger, Densely connected convolutional networks,
       CVPR 2017, table 1.
    """
    growth, bottleneck = 32, 128
    steps = Steps()
    steps.layer(conv("conv0", 3, 64, 224, 7, stride=2))
    steps.pool("maxpool", 3, padding=1)
    channels, size = 64, 56
    # Normalization precedes each convolution but the first, which it follows.
    norm_channels = channels
    for stage, depth in enumerate((6, 12, 24, 16), start=1):
        for index in range(1, depth + 1):
            start, name = steps.last, f"d{stage}.{index}"
            steps.layer(conv(f"{name}.1x1", channels, bottleneck, size, 1))
            steps.layer(conv(f"{name}.3x3", bottleneck, growth, size, 3))
            steps.concat(f"{name}.concat", [start, steps.last])
            norm_channels += channels + bottleneck
            channels += growth
        norm_channels += channels
        if stage < 4:
            steps.layer(conv(f"t{stage}", channels, channels // 2, size, 1))
            steps.pool(f"t{stage}.avgpool", 2)
            channels //= 2
            size //= 2
    steps.pool("avgpool")
    steps.layer(ConvLayer.linear("fc", channels, 1000))
    source = "Huang et al., Densely connected convolutional networks, CVPR 2017"
    return steps.network("densenet121", 2 * norm_channels, source)
