"""Networks without branches: LeNet-5, AlexNet, VGG-16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zoo.blocks import Steps, conv, norm_after_every_conv

_LECUN = "LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998"
_KRIZHEVSKY = "Krizhevsky et al., ImageNet classification with deep CNNs, NIPS 2012"
_SIMONYAN = "Simonyan and Zisserman, Very deep convolutional networks, ICLR 2015"


def _in_sequence(
    name: str, layers: Sequence[ConvLayer], pools: Mapping[str, tuple[int, int]], source: str,
    norm_parameters: int = 0,
) -> Network:  # fmt: skip
    """Layers one after the other, with a pooling of some kernel and stride after some of them."""
    steps = Steps()
    for layer in layers:
        steps.layer(layer)
        if layer.name in pools:
            steps.pool(f"{layer.name}.pool", *pools[layer.name])
    return steps.network(name, norm_parameters, source)


def lenet5() -> Network:
    """LeNet-5 as Caffe ships it (20-50-500-10) and the compression literature uses it [1]_.

    References
    ----------
    .. [1] Caffe, examples/mnist/lenet.prototxt; Han et al., Deep Compression, ICLR 2016.
    """
    layers = (
        conv("conv1", 1, 20, 28, 5, padding=0, bias=True),
        conv("conv2", 20, 50, 12, 5, padding=0, bias=True),
        ConvLayer.linear("ip1", 800, 500),
        ConvLayer.linear("ip2", 500, 10),
    )
    pools = {"conv1": (2, 2), "conv2": (2, 2)}
    return _in_sequence("lenet5", layers, pools, "Caffe, examples/mnist/lenet.prototxt")


def lenet5_1998() -> Network:
    """LeNet-5 of 1998 [1]_, its second convolution connected to all channels.

    The paper connects each of its 16 channels to some of the 6 before; common re-implementations
    do not.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document
       recognition, Proc. IEEE 86(11), 1998, section II.B.
    """
    layers = (
        conv("C1", 1, 6, 32, 5, padding=0, bias=True),
        conv("C3", 6, 16, 14, 5, padding=0, bias=True),
        conv("C5", 16, 120, 5, 5, padding=0, bias=True),
        ConvLayer.linear("F6", 120, 84),
        ConvLayer.linear("output", 84, 10),
    )
    return _in_sequence("lenet5_1998", layers, {"C1": (2, 2), "C3": (2, 2)}, _LECUN)


def _alexnet(name: str, groups: int, source: str) -> Network:
    layers = (
        conv("conv1", 3, 96, 227, 11, stride=4, padding=0, bias=True),
        conv("conv2", 96, 256, 27, 5, groups=groups, bias=True),
        conv("conv3", 256, 384, 13, 3, bias=True),
        conv("conv4", 384, 384, 13, 3, groups=groups, bias=True),
        conv("conv5", 384, 256, 13, 3, groups=groups, bias=True),
        ConvLayer.linear("fc6", 9216, 4096),
        ConvLayer.linear("fc7", 4096, 4096),
        ConvLayer.linear("fc8", 4096, 1000),
    )
    pools = {"conv1": (3, 2), "conv2": (3, 2), "conv5": (3, 2)}
    return _in_sequence(name, layers, pools, source)


def alexnet() -> Network:
    """AlexNet as published [1]_: three layers in two groups, 227x227 images.

    References
    ----------
    .. [1] Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional
       neural networks, NIPS 2012; sizes as in Caffe, models/bvlc_alexnet.
    """
    return _alexnet("alexnet", 2, _KRIZHEVSKY)


def alexnet_ungrouped() -> Network:
    """AlexNet with every layer in one group: 1.1 GMAC."""
    return _alexnet("alexnet_ungrouped", 1, f"{_KRIZHEVSKY}; without groups")


def alexnet_torchvision() -> Network:
    """AlexNet as in torchvision: the narrower layers of [1]_, 224x224 images.

    References
    ----------
    .. [1] Krizhevsky, One weird trick for parallelizing convolutional neural networks,
       arXiv:1404.5997.
    """
    layers = (
        conv("features.0", 3, 64, 224, 11, stride=4, padding=2, bias=True),
        conv("features.3", 64, 192, 27, 5, bias=True),
        conv("features.6", 192, 384, 13, 3, bias=True),
        conv("features.8", 384, 256, 13, 3, bias=True),
        conv("features.10", 256, 256, 13, 3, bias=True),
        ConvLayer.linear("classifier.1", 9216, 4096),
        ConvLayer.linear("classifier.4", 4096, 4096),
        ConvLayer.linear("classifier.6", 4096, 1000),
    )
    pools = {"features.0": (3, 2), "features.3": (3, 2), "features.10": (3, 2)}
    source = "torchvision, alexnet; arXiv:1404.5997"
    return _in_sequence("alexnet_torchvision", layers, pools, source)


def _vgg16_convolutions(size: int) -> list[ConvLayer]:
    layers = []
    in_channels = 3
    for stage, (out_channels, depth) in enumerate(
        [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1
    ):
        for index in range(1, depth + 1):
            name = f"conv{stage}-{index}"
            layers.append(conv(name, in_channels, out_channels, size, 3, bias=True))
            in_channels = out_channels
        size //= 2
    return layers


_VGG_POOLS = {f"conv{stage}-{depth}": (2, 2) for stage, depth in enumerate((2, 2, 3, 3, 3), 1)}


def vgg16() -> Network:
    """VGG-16, configuration D of [1]_.

    References
    ----------
    .. [1] Simonyan and Zisserman, Very deep convolutional networks for large-scale image
       recognition, ICLR 2015, table 1.
    """
    layers = (
        *_vgg16_convolutions(224),
        ConvLayer.linear("fc6", 25088, 4096),
        ConvLayer.linear("fc7", 4096, 4096),
        ConvLayer.linear("fc8", 4096, 1000),
    )
    return _in_sequence("vgg16", layers, _VGG_POOLS, _SIMONYAN)


def vgg16_cifar() -> Network:
    """VGG-16 for 32x32 images, with batch normalization and one classifier layer [1]_.

    References
    ----------
    .. [1] Son, Nah and Lee, Clustering convolutional kernels to compress deep neural networks,
       ECCV 2018, section 4.
    """
    layers = _vgg16_convolutions(32)
    norm = norm_after_every_conv(layers)
    source = "Son et al., Clustering convolutional kernels, ECCV 2018"
    layers.append(ConvLayer.linear("fc", 512, 10))
    return _in_sequence("vgg16_cifar", layers, _VGG_POOLS, source, norm)
