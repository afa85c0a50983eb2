"""``kcsim convert``, and what a file of another tool is told where it cannot be used."""

import json
import pickle
import subprocess
import sys

import pytest
from test_timeloop import FLAT, MATMUL, TREE
from test_zigzag_and_scale_sim import ACCELERATOR, CONFIG

import kcsim
from kcsim.errors import InputError
from kcsim.mapping.foreign.convert import TARGETS
from kcsim.reading.foreign_yaml import foreign_text, parse_foreign_yaml
from kcsim.reading.formats import FORMATS, formats_of

MAPPING = "mapping:\n- {target: DRAM, type: temporal, factors: P=24, permutation: P}\n"
FILES = {
    "timeloop_architecture": ("arch.yaml", FLAT),
    "timeloop_problem": ("prob.yaml", MATMUL),
    "timeloop_mapping": ("map.yaml", MAPPING),
    "timeloop_constraints": ("con.yaml", "architecture_constraints: {targets: []}\n"),
    "accelergy": ("ERT.yaml", "ERT: {version: 0.4, tables: []}\n"),
    "zigzag_accelerator": ("zigzag.yaml", foreign_text(ACCELERATOR)),
    "zigzag_workload": ("work.yaml", "- id: 0\n  operator_type: Conv\n  loop_dims: [B]\n"),
    "zigzag_mapping": ("zmap.yaml", "- name: default\n  spatial_mapping: {D1: [K, 8]}\n"),
    "scale_sim_config": ("scale.cfg", CONFIG),
    "scale_sim_topology": ("net.csv", "Layer,M,N,K,\na,2,3,4,\n"),
    "network": ("net.yaml", "name: n\nlayers: [{name: a, type: linear, in_features: 2, "
                "out_features: 2}]\n"),
    "mapping": ("own.yaml", "levels:\n  - {level: DRAM}\n"),
}  # fmt: skip


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.values():
        (tmp_path / name).write_text(text)
    (tmp_path / "hw.yaml").write_text(HARDWARE)
    return tmp_path


HARDWARE = """name: small
levels: [{name: DRAM, read_pj: 1, write_pj: 1}]
compute: {mac_pj: 1}
"""


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_what_it_holds(files, name):
    assert formats_of(files / FILES[name][0]) == (name,)
    assert formats_of(files / "hw.yaml") == ("hardware",)


@pytest.mark.parametrize("name", [n for n in FILES if n not in ("network",)])
def test_a_foreign_file_for_hw_is_named_with_the_command_that_reads_it(files, name):
    with pytest.raises(InputError) as caught:
        kcsim.load_hardware(FILES[name][0])
    text = str(caught.value)
    assert text.startswith(f"'{FILES[name][0]}' is {FORMATS[name].words}; expected a hardware file")
    assert FORMATS[name].reads.partition(" FILE")[0] in text
    assert len(text.splitlines()) == 1


READ = ("timeloop_problem", "scale_sim_topology", "network")


@pytest.mark.parametrize("name", [n for n in FILES if n not in READ])
def test_a_foreign_file_for_network_is_named_with_the_command_that_reads_it(files, name):
    with pytest.raises(InputError) as caught:
        kcsim.load_network(FILES[name][0])
    text = str(caught.value)
    assert text.startswith(f"'{FILES[name][0]}' is {FORMATS[name].words}; expected a network file")
    assert len(text.splitlines()) == 1


def test_weights_for_a_network_are_named(files):
    (files / "w.pth").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InputError, match=r"as torch writes; .* weights are for --weights"):
        kcsim.load_network("w.pth")


def test_hardware_goes_from_each_tool_to_each_other(files):
    for name in ("arch.yaml", "zigzag.yaml", "scale.cfg"):
        own = kcsim.convert(name)
        (files / "out.yaml").write_text(own.text)
        hardware = kcsim.load_hardware("out.yaml")
        for to in ("timeloop", "timeloop-0.3", "zigzag"):
            text = kcsim.convert(name, to).text
            (files / "back.yaml").write_text(text)
            (files / "again.yaml").write_text(kcsim.convert("back.yaml").text)
            again = kcsim.load_hardware("again.yaml")
            assert again.mac_units == hardware.mac_units
            assert len(again.levels) == len(hardware.levels)
            for ours, theirs in zip(hardware.levels, again.levels, strict=True):
                tensor = ours.kept_tensors[0]
                prices = [
                    level.price(tensor, "read") / level.block_words / level.word_bits
                    for level in (ours, theirs)
                ]
                assert ours.partitions or prices[0] == pytest.approx(prices[1])


def test_what_is_lost_stands_in_the_file_and_beside_it(files):
    made = kcsim.convert("eyeriss", "timeloop")
    assert "the codebook and its store" in made.lost
    assert all(f"#   {each}" in made.text for each in made.lost)
    parse_foreign_yaml(made.text)


def test_layers_and_networks_go_to_other_tools(files):
    (files / "p.yaml").write_text(kcsim.convert("alexnet/conv2", "timeloop").text)
    assert kcsim.load_network("p.yaml").macs == kcsim.load_layer("alexnet/conv2").macs
    (files / "t.csv").write_text(kcsim.convert("resnet20", "scale-sim").text)
    assert kcsim.load_network("t.csv").macs == kcsim.load_network("resnet20").macs
    (files / "n.yaml").write_text(kcsim.convert("net.csv").text)
    assert kcsim.load_network("n.yaml").layers == kcsim.load_network("net.csv").layers


def test_a_mapping_goes_there_and_back(files):
    (files / "arch.yaml").write_text(TREE)
    (files / "hw2.yaml").write_text(kcsim.convert("arch.yaml").text)
    layer, hardware = kcsim.load_layer("prob.yaml"), kcsim.load_hardware("hw2.yaml")
    mapping = kcsim.find_mapping(layer, hardware, even=True)
    (files / "own.yaml").write_text(mapping.to_yaml(hardware))
    settings = {"hardware": "arch.yaml", "layer": "prob.yaml"}
    for to in ("timeloop", "timeloop-0.3"):
        (files / "there.yaml").write_text(kcsim.convert("own.yaml", to, **settings).text)
        (files / "back.yaml").write_text(kcsim.convert("there.yaml", **settings).text)
        back = kcsim.read_mapping("back.yaml", layer, hardware)
        ours, theirs = (kcsim.count_layer(layer, hardware, m) for m in (mapping, back))
        assert (ours.accesses == theirs.accesses).all()


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("map.yaml", {}, "is a mapping; expected its hardware and its layer"),
        ("own.yaml", {}, "is a mapping; expected its hardware and its layer"),
        ("hw.yaml", {}, "is a hardware file already; expected another --to"),
        ("hw.yaml", {"to": "scale-sim"}, "hardware is not written for SCALE-Sim"),
        ("hw.yaml", {"to": "timeloop-0.5"}, "no target 'timeloop-0.5'; expected one of"),
        ("net.csv", {"to": "zigzag"}, "workloads are not written for ZigZag"),
        ("work.yaml", {}, "is a workload of ZigZag, which is not converted"),
        ("ERT.yaml", {}, "is a table of Accelergy, which is not converted"),
        ("zigzag.yaml", {"constraints": "con.yaml"}, "constraints are given; expected an arch"),
        ("zigzag.yaml", {"energy_unit": "nJ"}, "the energy unit is 'nJ'"),
        ("nothing.yaml", {}, "no such file"),
        ("nothing", {}, "no network is called 'nothing'"),
    ],
)
def test_what_cannot_be_converted_gets_one_line(files, source, settings, message):
    with pytest.raises(InputError) as caught:
        kcsim.convert(source, **settings)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(8)
)
HOSTILE = {
    "aliases that explode": BOMB + "architecture: *i\n",
    "nesting without end": "architecture: " + "[" * 5000,
    "an object of Python": "architecture: !!python/object/apply:os.system ['echo no']\n",
    "a merge of nothing": "architecture: {<<: 3}\n",
    "keys that are lists": "architecture: {? [a, b] : 1}\n",
    "an anchor that holds itself": "architecture: &a [*a]\n",
    "no text": "architecture: \x00\n",
    "a long number": "problem: {instance: {C: " + "9" * 50 + "}}\n",
    "a tree without end": "architecture: {subtree: ["
    + "{name: a, subtree: [" * 40
    + "]}" * 40
    + "]}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_get_an_error_and_nothing_runs(tmp_path, name):
    (tmp_path / "h.yaml").write_text(HOSTILE[name])
    for use in (kcsim.convert, kcsim.load_network, kcsim.load_hardware):
        with pytest.raises(InputError):
            use(tmp_path / "h.yaml")


def test_large_files_are_refused(tmp_path):
    (tmp_path / "large.csv").write_text("Layer,M,N,K,\n" + "a,1,1,1,\n" * 300_000)
    with pytest.raises(InputError, match="is too large; expected at most 2 MB"):
        kcsim.load_network(tmp_path / "large.csv")


def kcsim_command(*arguments):
    code = "from kcsim.cli.main import run; run()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_writes_the_file_and_says_what_is_lost(files):
    done = kcsim_command("convert", "arch.yaml", "out.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    assert "kcsim: not carried over, or assumed: energies" in done.stderr
    assert kcsim.load_hardware("out.yaml").mac_units == 12
    done = kcsim_command("convert", "map.yaml", "out.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("error: 'map.yaml' is a mapping; expected its hardware")
    assert set(TARGETS) == {"kcsim", "timeloop", "timeloop-0.3", "zigzag", "scale-sim"}


def test_from_a_model_to_a_comparison_and_its_figure_in_one_command(files):
    onnx = pytest.importorskip("onnx")
    import numpy as np

    weight = np.random.default_rng(0).normal(size=(8, 4, 3, 3)).astype(np.float32)
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["a"], name="conv", pads=[1] * 4),
        onnx.helper.make_node("Softmax", ["a"], ["y"], name="last"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [value("x", 1, (1, 4, 6, 6))], [value("y", 1, None)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    onnx.save(onnx.helper.make_model(graph), files / "model.onnx")
    done = kcsim_command(
        "compare", "--hw", "eyeriss", "--network", "model.onnx", "--cluster",
        "kernel:k=4,dense=none", "--plot", "runs.pdf", "-o", "runs.json",
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("error")) == (0, 0), done.stderr
    assert (files / "runs.pdf").read_bytes().startswith(b"%PDF")
    document = json.loads((files / "runs.json").read_text())
    (operation,) = document["network"]["operations"]
    assert (operation["name"], operation["operation"]) == ("last", "softmax")
    assert document["network"]["edges"] == [{"source": "conv", "target": "last"}]
    assert 0 < document["network"]["bytes_share"] < 1
    for format_ in ("table", "csv", "markdown", "latex"):
        done = kcsim_command("estimate", "--hw", "simple", "-n", "model.onnx", "--format", format_)
        assert "ot modeled" in done.stdout + done.stderr, format_
