"""Every layer of every network against an independent calculation of the same shapes."""

import csv
from itertools import groupby
from pathlib import Path

import pytest

from kcsim.errors import InputError
from kcsim.workload import zoo

TABLE = Path(__file__).parents[1] / "data" / "network_layers.csv"

# Published totals: torchvision's metadata, the papers, Caffe's model files.
PARAMETERS = {
    "lenet5": 431_080,
    "lenet5_1998": 61_706,
    "alexnet": 60_965_224,
    "alexnet_ungrouped": 62_378_344,
    "alexnet_torchvision": 61_100_840,
    "vgg16": 138_357_544,
    "vgg16_cifar": 14_728_266,
    "googlenet": 6_998_552,
    "googlenet_torchvision": 6_624_904,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "wide_resnet50_2": 68_883_240,
    "resnet20": 269_722,
    "resnet56": 853_018,
    "wrn_16_4": 2_748_890,
    "wrn_28_10": 36_479_194,
    "wrn_16_4_cifar100": 2_772_020,
    "wrn_28_10_cifar100": 36_536_884,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v2": 3_504_872,
    "densenet121": 7_978_856,
}
MACS = {
    "alexnet": 724_406_816,
    "alexnet_ungrouped": 1_135_256_096,
    "alexnet_torchvision": 714_188_480,
    "vgg16": 15_470_264_320,
    "googlenet": 1_582_671_872,
    "googlenet_torchvision": 1_498_376_192,
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "wide_resnet50_2": 11_398_021_120,
    "resnet20": 40_551_040,
    "resnet56": 125_485_696,
    "wrn_16_4": 392_612_352,
    "wrn_28_10": 5_243_328_768,
    "wrn_16_4_cifar100": 392_635_392,
    "wrn_28_10_cifar100": 5_243_386_368,
    "squeezenet1_0": 818_924_576,
    "squeezenet1_1": 349_151_936,
    "mobilenet_v1": 568_740_352,
    "mobilenet_v2": 300_774_272,
    "densenet121": 2_834_161_664,
}


def _table():
    with TABLE.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return {name: list(group) for name, group in groupby(rows, key=lambda row: row["network"])}


ROWS = _table()


def test_the_table_covers_the_zoo():
    assert set(ROWS) | {"lenet5", "lenet5_1998", "vgg16_cifar"} == set(zoo.NAMES)
    assert sum(map(len, ROWS.values())) == 744


@pytest.mark.parametrize("name", ROWS)
def test_every_layer(name):
    network = zoo.load(name)
    assert [layer.name for layer in network] == [row["layer"] for row in ROWS[name]]
    for layer, row in zip(network, ROWS[name], strict=True):
        expected = {key: int(row[key]) for key in row if key not in ("network", "layer")}
        stride, padding = expected.pop("stride"), expected.pop("padding")
        assert {key: getattr(layer, key) for key in expected} == expected, layer.name
        assert layer.stride == (stride, stride)
        assert layer.padding == (padding,) * 4
        assert layer.dilation == (1, 1)
        assert layer.batch == 1
        assert layer.kind == ("linear" if layer.name.startswith(("fc", "classifier")) else "conv")


@pytest.mark.parametrize("name", zoo.NAMES)
def test_published_parameter_counts(name):
    assert zoo.load(name).parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", MACS)
def test_published_mac_counts(name):
    assert zoo.load(name).macs == MACS[name]


def test_alexnet_convolutions_of_the_eyeriss_chip_tables():
    convolutions = zoo.load("alexnet").select("conv*")
    assert convolutions.macs == 665_784_864
    assert convolutions.weight_words == 2_332_704


def test_kernels_that_son_et_al_cluster_in_vgg16():
    kernels = [x.weight_words // 9 for x in zoo.load("vgg16_cifar") if x.kernel_height == 3]
    assert sum(kernels) == 1_634_496


def test_lenet5_layers_of_the_compression_literature():
    assert [layer.parameters for layer in zoo.load("lenet5")] == [520, 25_050, 400_500, 5_010]


@pytest.mark.parametrize("name", zoo.NAMES)
def test_networks_name_themselves_and_their_source(name):
    network = zoo.load(name)
    assert network.name == name
    assert network.source


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ResNet-18", "resnet18"),
        ("squeezenet-1.1", "squeezenet1_1"),
        ("vgg-16", "vgg16"),
        ("VGG16_CIFAR", "vgg16_cifar"),
        ("WRN-28-10", "wrn_28_10"),
        ("Wide ResNet-50-2", "wide_resnet50_2"),
    ],
)
def test_spelling_is_forgiven(written, meant):
    assert zoo.load(written) is zoo.load(meant)


def test_no_two_names_are_spelled_alike():
    assert len({name.replace("_", "") for name in zoo.NAMES}) == len(zoo.NAMES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "resnet81",
            "no network is called 'resnet81'; expected a name that `kcsim networks` lists; "
            "did you mean 'resnet18'?",
        ),
        (
            "mobilenet-v3",
            "no network is called 'mobilenet-v3'; expected a name that `kcsim networks` lists; "
            "did you mean 'mobilenet_v2'?",
        ),
        ("", "no network is called ''; expected a name that `kcsim networks` lists"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(InputError) as raised:
        zoo.load(name)
    assert str(raised.value) == message
