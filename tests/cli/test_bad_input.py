"""What a user sees who gets it wrong: one clear line, exit code 2, no traceback."""

from __future__ import annotations

import os

import pytest

GOOD_HARDWARE = """\
name: small
levels:
  - {name: DRAM, read_pj: 200, write_pj: 200}
  - name: buffer
    capacity_kib: 64
    read_pj: 6
    write_pj: 6
    fanout: {x: 4, y: 4, transfer_pj: 2}
  - {name: registers, capacity_words: 64, read_pj: 1, write_pj: 1}
compute: {mac_pj: 1}
"""

# what to replace in the good file, by what, where the error is, what it says
HARDWARE = {
    "misspelt key": ("capacity_kib: 64", "capcity_kib: 64", "5:5", "did you mean 'capacity_kib'?"),
    "negative size": ("capacity_kib: 64", "capacity_kib: -64", "5:19", "'capacity_kib' is -64"),
    "zero size": ("capacity_kib: 64", "capacity_kib: 0", "5:19", "expected a number > 0"),
    "NaN size": ("capacity_kib: 64", "capacity_kib: .nan", "5:19", "a finite number"),
    "infinite size": ("capacity_kib: 64", "capacity_kib: .inf", "5:19", "'capacity_kib'"),
    "huge size": ("capacity_kib: 64", "capacity_kib: 1e300", "5:19", "expected a number <= 1e"),
    "overflowing number": ("capacity_kib: 64", "capacity_kib: 1e999", "5:19", "1e999"),
    "text for a number": ("capacity_kib: 64", "capacity_kib: big", "5:19", "not the text 'big'"),
    "quoted number": ("capacity_kib: 64", "capacity_kib: '64'", "5:19", "not the text '64'"),
    "unit in the value": ("capacity_kib: 64", "capacity_kib: 64 KiB", "5:19", "'64 KiB'"),
    "bool for a number": ("read_pj: 6", "read_pj: true", "6:14", "must be a number"),
    "negative energy": ("read_pj: 6", "read_pj: -1", "6:14", "expected a number >= 0"),
    "list for a number": ("read_pj: 6", "read_pj: [6]", "6:14", "must be a number"),
    "missing key": ("    read_pj: 6\n", "", "4:5", "missing key 'read_pj'"),
    "fractional fan-out": ("x: 4", "x: 2.5", "8:17", "must be an integer"),
    "zero fan-out": ("x: 4", "x: 0", "8:17", "'x' is 0"),
    "unknown multicast": ("x: 4", "x: 4, multicast: tiles", "8:31", "did you mean 'tile'?"),
    "unknown tensor": ("name: buffer", "name: buffer\n    keeps: [weight]", "5:13", "'weights'?"),
    "duplicate key": ("read_pj: 6", "read_pj: 6\n    read_pj: 7", "7:5", "line 6"),
    "duplicate level": ("name: buffer", "name: DRAM", "4:11", "two levels are called 'DRAM'"),
    "no size": ("    capacity_kib: 64\n", "", "4:5", "level 'buffer' has no size"),
    "size twice": (
        "capacity_kib: 64", "capacity_kib: 64\n    capacity_words: 9", "6:21", "capacity twice",
    ),
    "levels missing": ("levels:", "level:", "2:1", "did you mean 'levels'?"),
    "unknown codebook level": (
        "compute:", "codebook: {level: L2, capacity_kib: 1, read_pj: 1, write_pj: 1}\ncompute:",
        "10:19", "there is no level 'L2'",
    ),
    "unknown dataflow": ("compute:", "dataflow: {name: rowstationary}\ncompute:", "10:18", "row_s"),
    "unknown level of the dataflow": (
        "compute:", "dataflow: {levels: {bufer: {temporal: [C]}}}\ncompute:", "10:28", "'buffer'?",
    ),
    "python object": ("name: small", "name: !!python/object:os.system x", "1:7", "tag"),
    "tab": ("  - name: buffer", "\t- name: buffer", "4:1", "tab"),
    "unclosed bracket": ("{name: DRAM, read_pj: 200, write_pj: 200}", "{name: DRAM", "", ""),
    "alias to itself": ("levels:", "x: &a [*a]\nlevels:", "2:", "itself"),
    "two documents": ("compute:", "---\ncompute:", "10:", "document"),
    "all bits wrong": ("read_pj: 6", "read_pj: 6\n    word_bits: 0", "7:16", "'word_bits' is 0"),
}  # fmt: skip

NETWORK_HEAD = "name: net\ninput: {channels: 3, height: 8, width: 8}\nlayers:\n"
NETWORKS = {
    "unknown type": ("- {name: a, type: konv, out_channels: 4, kernel: 3}", "4:21", "did you mean"),
    "missing kernel": ("- {name: a, type: conv, out_channels: 4}", "4:5", "missing key 'kernel'"),
    "kernel too large": (
        "- {name: a, type: conv, out_channels: 4, kernel: 9}", "4:52", "padded input height (8)",
    ),
    "zero stride": (
        "- {name: a, type: conv, out_channels: 4, kernel: 3, stride: 0}", "4:63", "'stride'",
    ),
    "negative padding": (
        "- {name: a, type: conv, out_channels: 4, kernel: 3, padding: -1}", "4:64", "'padding'",
    ),
    "groups": ("- {name: a, type: conv, out_channels: 4, kernel: 3, groups: 2}", "4:", "groups"),
    "same name twice": (
        "- {name: a, type: conv, out_channels: 4, kernel: 3}\n"
        "- {name: a, type: conv, out_channels: 4, kernel: 3}", "", "'a'",
    ),
    "text for channels": (
        "- {name: a, type: conv, out_channels: many, kernel: 3}", "4:41", "'many'",
    ),
    "misspelt key": ("- {name: a, type: conv, out_chanels: 4, kernel: 3}", "4:27", "out_channels"),
    "no layers": ("[]", "", ""),
    "not a list": ("7", "3:9", "must be a list"),
    "too many MACs": (
        "- {name: a, type: conv, in_channels: 2000000000, in_size: 1000000, "
        "out_channels: 2000000000, kernel: 1}", "4:12", "multiply-accumulates",
    ),
}  # fmt: skip

GOOD_MAPPING = """\
levels:
  - {level: DRAM, temporal: [M=2, C=16]}
  - {level: buffer, temporal: [M=12, Q=13], spatial_x: [P=13], spatial_y: [C=4, R=3]}
  - {level: scratchpads, temporal: [M=16, C=4, S=3]}
"""
MAPPINGS = {
    "unknown level": ("level: buffer", "level: bufer", "3:13", "did you mean 'buffer'?"),
    "level twice": ("level: buffer", "level: DRAM", "3:13", "wrong place"),
    "factors too small": ("M=12", "M=6", "2:3", "multiply to 192, but conv3 has M = 384"),
    "round with nothing to do": ("M=12", "M=24", "2:3", "multiply to 768"),
    "array too small": ("[C=4, R=3]", "[C=8, R=3]", "3:", "at most the 12 that eyeriss has"),
    "unknown dimension": ("M=12", "K=12", "3:32", "'K=12' is not a loop"),
    "no bound": ("M=12", "M", "3:32", "'M' is not a positive integer"),
    "negative bound": ("M=12", "M=-12", "3:32", "not a positive integer"),
    "not text": ("M=12", "12", "3:32", "must be a text"),
    "bypass outermost": ("level: DRAM", "level: DRAM, bypass: [inputs]", "2:", "outermost level"),
    "bypass what is not kept": ("level: buffer", "level: buffer, bypass: [weights]", "3:", "keep"),
    "unknown tensor": ("level: buffer", "level: buffer, bypass: [input]", "3:", "'inputs'?"),
    "does not fit": ("[M=16, C=4, S=3]", "[C=4, M=16, S=3, Q=13]", "2:3", "multiply to 169"),
    "misspelt key": ("spatial_x", "spatialx", "3:", "did you mean 'spatial_x'?"),
    "empty": (GOOD_MAPPING, "", "", "empty"),
}  # fmt: skip

SPECS = {
    "unknown scheme": ("kernels:k=4", "did you mean 'kernel'?"),
    "no number of clusters": ("kernel", "k"),
    "zero clusters": ("kernel:k=0", "k"),
    "text for a number": ("kernel:k=many", "many"),
    "unknown setting": ("kernel:kk=4", "kk"),
    "rate above one": ("row:rate=2", "rate"),
    "unknown layer": ("kernel:k=4;konv*:k=2", "konv*"),
    "empty": ("", ""),
}

CLUSTERED = ("estimate", "--hw", "simple", "-n", "lenet5", "--cluster", "kernel:k=8")
OPTIONS = {
    "unknown hardware": (("estimate", "--hw", "eyeris.yaml"), "did you mean 'eyeriss.yaml'?"),
    "unknown network": (("estimate", "--hw", "eyeriss", "-n", "alexnt"), "'alexnet'?"),
    "unknown objective": (
        ("estimate", "--hw", "eyeriss", "-n", "lenet5", "--objective", "enrgy"), "'energy'?",
    ),
    "unknown tensor of zeros": (
        ("estimate", "--hw", "eyeriss", "--zeros", "conv1:input=0.5"), "--zeros:1:7: there is no "
        "tensor 'input'; expected one of inputs, weights, outputs; did you mean 'inputs'?",
    ),
    "negative zeros": (("estimate", "--hw", "eyeriss", "--zeros", "inputs=-0.5"), "is -0.5; exp"),
    "NaN zeros": (("estimate", "--hw", "eyeriss", "--zeros", "inputs=nan"), "zero inputs is nan"),
    "infinite zeros": (("estimate", "--hw", "eyeriss", "--zeros", "inputs=inf"), "inputs is inf"),
    "text for zeros": (("estimate", "--hw", "eyeriss", "--zeros", "inputs=half"), "is 'half'"),
    "empty zeros": (("estimate", "--hw", "eyeriss", "--zeros", " "), "TENSOR=SHARE"),
    "zeros of no layer": (
        ("estimate", "--hw", "eyeriss", "--zeros", "inputs=0.5; conv8:inputs=0"),
        "--zeros:1:13: no layer matches 'conv8'; expected one of conv1, conv2,",
    ),
    "no such file of zeros": (("estimate", "--hw", "eyeriss", "--zeros", "x.yaml"), "'x.yaml'"),
    "no time": (("estimate", "--hw", "eyeriss", "--time-limit", "0"), "the time limit is 0"),
    "execution of dense weights": (
        ("estimate", "--hw", "simple", "-n", "lenet5", "--execution", "auto"),
        "error: --execution and --decode-level are for clustered weights; expected --cluster or "
        "--weights\n",
    ),
    "decoder of dense weights": (
        ("estimate", "--hw", "simple", "-n", "lenet5", "--decode-level", "DRAM"), "or --weights",
    ),
    "unknown execution": (
        (*CLUSTERED, "--execution", "share_sum"), "auto; did you mean 'share_sums'?",
    ),
    "unknown place of the decoder": (
        (*CLUSTERED, "--decode-level", "bufer"), "register file; did you mean 'buffer'?",
    ),
    "comparison of dense weights": (
        ("compare", "--hw", "simple", "-n", "lenet5"), "given; expected --cluster or --weights\n",
    ),
    "comparison of two clusterings": (
        ("compare", "--hw", "simple", "--cluster", "kernel:k=8", "--weights", "x"), "one of them",
    ),
    "comparison by an unknown objective": (
        ("compare", "--hw", "simple", "-n", "lenet5", "--cluster", "kernel:k=8", "--objective",
         "enrgy"), "'energy'?",
    ),
    "comparison of an unknown scheme": (
        ("compare", "--hw", "simple", "-n", "lenet5", "--cluster", "kernels:k=8"), "'kernel'?",
    ),
    "comparison drawn as text": (
        ("compare", "--hw", "simple", "--cluster", "kernel:k=8", "--plot", "x.txt"), "png",
    ),
    "comparison into nowhere": (
        ("compare", "--hw", "simple", "--cluster", "kernel:k=8", "-o", "no/such/x.json"), "folder",
    ),
    "comparison of no such weights": (
        ("compare", "--hw", "simple", "--weights", "no.safetensors"), "no.safetensors",
    ),
    "unknown format": (("estimate", "--hw", "eyeriss", "--format", "jsn"), "'json'?"),
    "zero batch": (("estimate", "--hw", "eyeriss", "--batch", "0"), "batch"),
    "no such layers": (("estimate", "--hw", "eyeriss", "--layers", "konv*"), "konv*"),
    "unknown layer": (
        ("map", "--hw", "eyeriss", "--layer", "alexnet/conv9"), "no layer 'conv9'",
    ),
    "layer without a network": (
        ("map", "--hw", "eyeriss", "--layer", "conv3"),
        "'conv3' names no layer; expected NETWORK/LAYER, as 'conv3' is a layer of alexnet, "
        "alexnet_ungrouped, googlenet, googlenet_torchvision; did you mean 'alexnet/conv3'?",
    ),
    "misspelt layer without a network": (
        ("map", "--hw", "eyeriss", "--layer", "layer1.0.conv"), "mean 'resnet50/layer1.0.conv3'?",
    ),
    "name of nothing as a layer": (
        ("map", "--hw", "eyeriss", "--layer", "qwertz"),
        "'qwertz' names no layer; expected NETWORK/LAYER, as 'alexnet/conv3', or a file",
    ),
    "name that is too long": (("estimate", "--hw", "x" * 5000), "there is no hardware file"),
    "override of nothing": (
        ("estimate", "--hw", "eyeriss", "--set", "levels.bufer.read_pj=1"), "'buffer'?",
    ),
    "override without levels": (
        ("estimate", "--hw", "eyeriss", "--set", "buffer.read_pj=12"),
        "there is no 'buffer' to set a value in; expected one of precision_bits, levels, compute, "
        "codebook, dataflow; did you mean 'levels.buffer.read_pj'?",
    ),
    "override of a key that stands elsewhere": (
        ("estimate", "--hw", "eyeriss", "--set", "mac_pj=2"), "did you mean 'compute.mac_pj'?",
    ),
    "override of a misspelt key": (
        ("estimate", "--hw", "eyeriss", "--set", "clock_mz=2"), "did you mean 'clock_mhz'?",
    ),
    "override of no partition": (
        ("estimate", "--hw", "eyeriss", "--set", "levels[2].partitions[3].read_pj=2"),
        "there is no '3' to set a value in; expected one of 0, 1, 2",
    ),
    "override of a whole level": (
        ("estimate", "--hw", "eyeriss", "--set", "levels[1]=2"), "a whole element of a list",
    ),
    "override without value": (("estimate", "--hw", "eyeriss", "--set", "clock_mhz"), "KEY=VALUE"),
    "bad override": (
        ("estimate", "--hw", "eyeriss", "--set", "levels.buffer.read_pj=-1"), "-1",
    ),
    "unknown schema": (("schema", "hardwares"), "'hardware'?"),
    "plot as text": (
        ("estimate", "--hw", "eyeriss", "-n", "lenet5", "--plot", "x.txt"), "png",
    ),
    "output into nowhere": (
        ("estimate", "--hw", "eyeriss", "-n", "lenet5", "-o", "no/such/folder/x.json"), "folder",
    ),
}  # fmt: skip


def is_clean(outcome, where: str, text: str) -> None:
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if "compiling" not in line]
    assert lines[0].startswith("error: "), outcome.err
    assert where in outcome.err, outcome.err
    assert text in outcome.err, outcome.err


@pytest.mark.parametrize("case", HARDWARE)
def test_hardware_file(kcsim, tmp_path, case):
    old, new, place, text = HARDWARE[case]
    assert old in GOOD_HARDWARE
    path = tmp_path / "hw.yaml"
    path.write_text(GOOD_HARDWARE.replace(old, new, 1))
    outcome = kcsim("estimate", "--hw", path, "-n", "lenet5")
    is_clean(outcome, f"{path}:{place}", text)
    assert "^" in outcome.err


def test_all_errors_of_a_file_come_at_once(kcsim, tmp_path):
    path = tmp_path / "hw.yaml"
    text = GOOD_HARDWARE.replace("read_pj: 6", "read_pj: -6").replace("mac_pj: 1", "mac: 1")
    path.write_text(text.replace("x: 4", "x: four"))
    outcome = kcsim("estimate", "--hw", path, "-n", "lenet5")
    assert outcome.code == 2
    for place in (":6:14", ":8:17", ":10:11"):
        assert f"{path}{place}" in outcome.err


@pytest.mark.parametrize("case", NETWORKS)
def test_network_file(kcsim, tmp_path, case):
    layers, place, text = NETWORKS[case]
    path = tmp_path / "net.yaml"
    if layers.startswith("-"):
        path.write_text(NETWORK_HEAD + "".join(f"  {line}\n" for line in layers.splitlines()))
    else:
        path.write_text(NETWORK_HEAD.rstrip() + f" {layers}\n")
    outcome = kcsim("estimate", "--hw", "eyeriss", "-n", path)
    is_clean(outcome, f"{path}:{place}" if place else str(path), text)


@pytest.mark.parametrize("case", MAPPINGS)
def test_mapping_file(kcsim, tmp_path, case):
    old, new, place, text = MAPPINGS[case]
    assert old in GOOD_MAPPING
    path = tmp_path / "map.yaml"
    path.write_text(GOOD_MAPPING.replace(old, new, 1))
    outcome = kcsim("evaluate", "--hw", "eyeriss", "--layer", "alexnet/conv3", "--mapping", path)
    is_clean(outcome, f"{path}:{place}" if place else str(path), text)


def test_tiles_that_do_not_fit_say_what_does_not_fit_where(kcsim, tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(
        "levels:\n"
        "  - {level: DRAM, temporal: [M=2, C=4]}\n"
        "  - {level: buffer, temporal: [Q=13], spatial_x: [P=13], spatial_y: [C=4, R=3]}\n"
        "  - {level: scratchpads, temporal: [M=192, C=16, S=3]}\n"
    )
    outcome = kcsim("evaluate", "--hw", "eyeriss", "--layer", "alexnet/conv3", "--mapping", path)
    is_clean(outcome, "scratchpads", "weights 9216 take 9216 words; expected at most the 224")
    assert "outputs 192 take 192 words; expected at most the 24" in outcome.err


@pytest.mark.parametrize("case", SPECS)
def test_clustering(kcsim, case):
    spec, text = SPECS[case]
    outcome = kcsim("estimate", "--hw", "eyeriss", "-n", "lenet5", "--cluster", spec)
    is_clean(outcome, "", text)


@pytest.mark.parametrize("case", OPTIONS)
def test_option(kcsim, case):
    arguments, text = OPTIONS[case]
    is_clean(kcsim(*arguments), "", text)


@pytest.mark.parametrize("command", ["estimate", "compare"])
def test_hardware_without_a_codebook_store(kcsim, tmp_path, command):
    path = tmp_path / "hw.yaml"
    path.write_text(GOOD_HARDWARE)
    outcome = kcsim(command, "--hw", path, "-n", "lenet5", "--cluster", "scalar:k=4")
    is_clean(outcome, "", "no codebook store")


def test_binary_file(kcsim, tmp_path):
    path = tmp_path / "hw.yaml"
    path.write_bytes(os.urandom(2000) + b"\xff\xfe\x00")
    is_clean(kcsim("estimate", "--hw", path), str(path), "")


def test_folder_for_a_file(kcsim, tmp_path):
    is_clean(kcsim("estimate", "--hw", tmp_path), str(tmp_path), "")
