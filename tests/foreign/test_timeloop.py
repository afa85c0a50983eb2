"""Files of Timeloop: the reference cases in them, and designs like the public examples."""

from dataclasses import replace

import pytest
from reference import CASES

import kcsim
from kcsim.errors import InputError, MappingError
from kcsim.hardware.foreign.timeloop_reader import architecture_of
from kcsim.hardware.foreign.timeloop_writer import timeloop_architecture
from kcsim.hardware.resolution import hardware_of_data
from kcsim.mapping.foreign.timeloop_mapping import read_timeloop_mapping, timeloop_mapping
from kcsim.reading.foreign_yaml import foreign_text, parse_foreign_yaml
from kcsim.workload.imports.timeloop_problem import problem_of, timeloop_problem
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares

# What Timeloop has no word for: two loops of one level over one dimension, and short last rounds.
UNSAYABLE = {"0.3": {"eyeriss_alex_conv3", "al2_imperfect_K"}, "0.4": {"al2_imperfect_K"}}


def again(data):
    return parse_foreign_yaml(foreign_text(data), "file.yaml")


def read_hardware(data):
    made = architecture_of(again(data))
    return hardware_of_data(made.data, None, "hardware"), made


def loops(mapping):
    found = {}
    for level in mapping.levels:
        plain = level.with_loops(level.nests)
        if any(plain.nests) or plain.bypass:
            found[plain.level] = (*plain.nests, plain.bypass)
    return found


SAYABLE = [(name, v) for v in UNSAYABLE for name in CASES if name not in UNSAYABLE[v]]


@pytest.mark.parametrize(("name", "version"), SAYABLE)
def test_a_reference_case_in_files_of_timeloop_counts_the_same(name, version, tmp_path):
    case = CASES[name]
    hardware, made = read_hardware(timeloop_architecture(case.hardware, version).data)
    # Which children take words from each other is no part of these files.
    levels = zip(hardware.levels, case.hardware.levels, strict=True)
    hardware = replace(hardware, levels=tuple(
        replace(own, fanout=replace(own.fanout, forwarding=known.fanout.forwarding))
        for own, known in levels
    ))  # fmt: skip
    problem = problem_of(again(timeloop_problem(case.layer, version)))
    written = timeloop_mapping(case.mapping, case.layer, case.hardware, version)
    (tmp_path / "map.yaml").write_text(foreign_text(written))
    mapping = read_timeloop_mapping(
        tmp_path / "map.yaml", problem.layer, hardware, dimensions=problem.dimensions,
        tensors=problem.tensors, containers=made.levels,
    )  # fmt: skip
    assert loops(mapping) == loops(case.mapping)
    ours, theirs = (
        kcsim.evaluate(case.layer, case.hardware, case.mapping),
        kcsim.evaluate(problem.layer, hardware, mapping),
    )
    assert (ours.counts.accesses == theirs.counts.accesses).all()
    assert (ours.counts.transfers == theirs.counts.transfers).all()
    assert ours.cycles.total == theirs.cycles.total
    assert ours.energy == pytest.approx(theirs.energy, rel=1e-12)


@pytest.mark.parametrize("version", UNSAYABLE)
def test_what_timeloop_cannot_say_is_refused_in_a_line(version):
    assert len(SAYABLE) == 105 + 106
    for name in UNSAYABLE[version]:
        case = CASES[name]
        with pytest.raises(InputError, match=r"two loops over M|imperfect factors"):
            timeloop_mapping(case.mapping, case.layer, case.hardware, version)


@pytest.mark.parametrize("name", ["simple", "eyeriss", "weight_stationary", "nvdla_like"])
def test_a_found_mapping_is_the_same_after_a_journey(name, tmp_path):
    layer, hardware = kcsim.load_layer("lenet5/conv2"), kcsim.load_hardware(name)
    mapping = kcsim.find_mapping(layer, hardware, even=True)
    (tmp_path / "map.yaml").write_text(foreign_text(timeloop_mapping(mapping, layer, hardware)))
    found = read_timeloop_mapping(tmp_path / "map.yaml", layer, hardware)
    assert loops(found) == loops(mapping)


def test_what_levels_keep_and_dataflows_allow_is_the_same_after_a_journey():
    for version in ("0.3", "0.4"):
        for name in ("weight_stationary", "output_stationary", "eyeriss_isca2016", "nvdla_like"):
            known = kcsim.load_hardware(name)
            found, _ = read_hardware(timeloop_architecture(known, version).data)
            assert [n.kept_tensors for n in found.levels] == [n.kept_tensors for n in known.levels]
            assert [(n.fanout.x, n.fanout.y) for n in found.levels] == [
                (n.fanout.x, n.fanout.y) for n in known.levels
            ]
            for level in known.levels:
                ours = known.dataflow.levels.get(level.name)
                theirs = found.dataflow.levels.get(level.name.replace(" ", "_"))
                if ours is None:
                    continue
                for what in ("temporal", "spatial_x", "spatial_y"):
                    allowed = getattr(ours, what)
                    axis = what.removeprefix("spatial_")
                    if what != "temporal" and getattr(level.fanout, axis) == 1:
                        continue
                    both = set(ours.spatial_x or "X") & set(ours.spatial_y or "Y")
                    if version == "0.3" and both:
                        # There the axis of a dimension is said for all or none.
                        continue
                    if allowed is not None:
                        assert set(getattr(theirs, what)) == set(allowed), (name, level.name, what)


# Designs after the public examples, with numbers of their own.
FLAT = """
architecture:
  version: 0.4
  nodes:
  - !Container {name: system, attributes: {technology: "45nm", global_cycle_seconds: 2e-9}}
  - !Component
    name: DRAM
    class: DRAM
    attributes: {type: LPDDR4, width: 64, datawidth: 8}
  - !Component
    name: glb
    class: smartbuffer_SRAM
    attributes: &sram {depth: 1024, width: 64, datawidth: 8, n_banks: 2, read_bandwidth: 8}
    constraints: {dataspace: {keep: [Inputs, Outputs], bypass: [Weights]}}
  - !Container
    name: column
    spatial: {meshX: 4}
    constraints:
      spatial: {permutation: [N, C, P, R, S, Q, M], factors: [N=1, C=1, P=1, R=1, S=1], split: 7}
  - !Container
    name: PE
    spatial: {meshY: 3}
    constraints: {spatial: {split: 0, permutation: [R, S], factors: "N=1 P=1 Q=1"}}
  - !Parallel
    nodes:
    - !Component
      name: inputs_spad
      class: smartbuffer_RF
      attributes: {<<: *sram, depth: 16, width: 16}
      constraints: {dataspace: {keep: [Inputs]}, temporal: {factors: [M=1], permutation: [C]}}
    - !Component
      name: weights_spad
      class: storage
      subclass: smartbuffer_RF
      attributes: {depth: 64, width: 8, datawidth: 8}
      constraints: {dataspace: {keep: [Weights]}}
    - !Nothing {constraints: {dataspace: {keep: [Outputs]}}}
  - !Component {name: mac, class: intmac, attributes: {multiplier_width: 8}}
"""
TREE = """
architecture:
  version: 0.3
  subtree:
  - name: system
    local:
    - {name: DRAM, class: DRAM, attributes: {type: LPDDR4, width: 64, word-bits: 8}}
    subtree:
    - name: chip
      attributes: {technology: 45nm}
      local:
      - name: glb
        class: SRAM
        attributes: {memory_depth: 1024, memory_width: 64, word-bits: 8, block-size: 8, n_banks: 2}
      subtree:
      - name: PE[0..11]
        local:
        - name: weights_spad
          class: regfile
          attributes: {depth: 64, width: 8, word-bits: 8, meshX: 4}
        - {name: mac, class: intmac, attributes: {datawidth: 8, meshX: 4}}
architecture_constraints:
  targets:
  - {target: glb, type: bypass, keep: [Inputs, Outputs], bypass: [Weights]}
  - {target: glb, type: spatial, factors: N=1 P=1 Q=1, permutation: MCRSNPQ, split: 1}
  - {target: weights_spad, type: bypass, keep: [Weights], bypass: [Inputs, Outputs]}
  - {target: weights_spad, type: temporal, factors: R=1 S=1, permutation: RSPQ}
"""


def test_a_shared_bandwidth_is_the_same_after_a_journey():
    known = kcsim.load_hardware("nvdla_like")
    for version in ("0.3", "0.4"):
        found, _ = read_hardware(timeloop_architecture(known, version).data)
        assert [level.shares_port for level in found.levels] == [True, False, False, False]
        assert found.levels[0].shared_bandwidth == known.levels[0].shared_bandwidth == 20


def test_a_flat_design_of_version_0_4():
    made = architecture_of(parse_foreign_yaml(FLAT, "flat.yaml"))
    hardware = hardware_of_data(made.data, None, "hardware")
    assert hardware.level_names == ("DRAM", "glb", "inputs_spad", "weights_spad")
    assert [level.kept_tensors for level in hardware.levels] == [
        ("weights", "inputs", "outputs"), ("inputs", "outputs"), ("inputs",), ("weights",),
    ]  # fmt: skip
    glb, spad = hardware.levels[1:3]
    assert (glb.capacity_words, glb.block_words, glb.word_bits, glb.banks) == (8192, 8, 8, 2)
    assert (glb.fanout.x, glb.fanout.y, glb.read_words_per_cycle) == (4, 3, 8)
    assert (spad.capacity_words, spad.block_words, spad.kind) == (32, 2, "register_file")
    assert (hardware.technology_nm, hardware.clock_mhz, hardware.mac_units) == (45, 500, 12)
    assert all(level.read_pj > 0 for level in hardware.levels)
    allowed = hardware.dataflow.levels["glb"]
    assert allowed.spatial_x == tuple("MQ")
    assert allowed.spatial_y == tuple("GMCRS")
    assert hardware.dataflow.levels["inputs_spad"].temporal == tuple("NGCPQRS")
    assert any("permutation" in each for each in made.lost)
    assert any("energies" in each for each in made.lost)


def test_a_tree_of_version_0_3():
    made = architecture_of(parse_foreign_yaml(TREE, "tree.yaml"))
    hardware = hardware_of_data(made.data, None, "hardware")
    assert hardware.level_names == ("DRAM", "glb", "weights_spad")
    glb = hardware.levels[1]
    assert (glb.fanout.x, glb.fanout.y, glb.capacity_words) == (4, 3, 8192)
    assert glb.kept_tensors == ("inputs", "outputs")
    assert hardware.dataflow.levels["glb"].spatial_x == ("M",)
    assert set(hardware.dataflow.levels["glb"].spatial_y) == set("GCRS")
    assert hardware.dataflow.levels["weights_spad"].temporal == tuple("NGMCPQ")


def test_constraints_of_a_file_of_their_own(tmp_path):
    text, constraints = TREE.split("architecture_constraints:")
    (tmp_path / "arch.yaml").write_text(text)
    (tmp_path / "con.yaml").write_text(f"mapspace_constraints:{constraints}")
    (tmp_path / "hw.yaml").write_text(
        kcsim.convert(tmp_path / "arch.yaml", constraints=tmp_path / "con.yaml").text
    )
    apart = kcsim.load_hardware(tmp_path / "hw.yaml")
    together = hardware_of_data(architecture_of(parse_foreign_yaml(TREE, "t")).data, None, "h")
    assert apart.dataflow == together.dataflow
    assert [n.kept_tensors for n in apart.levels] == [n.kept_tensors for n in together.levels]


MATMUL = """
problem:
  version: 0.4
  shape:
    name: product
    dimensions: [M, N, K]
    data_spaces:
    - {name: A, projection: [[[M]], [[K]]]}
    - {name: B, projection: [[[K]], [[N]]]}
    - {name: Z, projection: [[[M]], [[N]]], read_write: true}
  instance: {M: 24, N: 64, K: 96}
"""
OLD = """
problem:
  shape: cnn-layer
  R: 3
  S: 3
  P: 13
  Q: 13
  C: 256
  K: 1
  M: 384
  N: 4
  Wstride: 2
  Hdilation: 2
"""
BASE = """{{include_text('../problem_base.yaml')}}
problem:
  <<<: *problem_base
  instance: {C: 3, M: 8, P: 6, Q: 5, R: 3, S: 1, densities: {Inputs: 0.25}}
"""
STRANGE = """
problem:
  shape:
    name: conv
    dimensions: [K, C, X, F, B]
    coefficients: [{name: step, default: 2}]
    data-spaces:
    - {name: Filter, projection: [[[K]], [[C]], [[F]]]}
    - {name: Image, projection: [[[B]], [[C]], [[X, step], [F]]]}
    - {name: Sums, projection: [[[B]], [[K]], [[X]]], read-write: True}
  instance: {K: 4, C: 2, X: 10, F: 3, B: 2}
"""


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        (MATMUL, ConvLayer.linear("p", 96, 64, bias=False, sequence=24)),
        (OLD, ConvLayer("p", 256, 384, 27, 17, 3, 3, (2, 1), dilation=(1, 2), batch=4)),
        (STRANGE, ConvLayer("p", 2, 4, 21, 1, 3, 1, (2, 1), batch=2)),
        (BASE, ConvLayer("p", 3, 8, 8, 5, 3, 1, zeros=ZeroShares(inputs=0.75))),
    ],
)
def test_problems_are_known_by_their_data_spaces(tmp_path, text, layer):
    (tmp_path / "p.yaml").write_text(text)
    network = kcsim.load_network(tmp_path / "p.yaml")
    assert network.layers == (layer,)
    assert kcsim.load_layer(tmp_path / "p.yaml") == layer


FAULTS = {
    "no data spaces": ("problem: {shape: {dimensions: [C]}, instance: {C: 2}}", "'data_spaces'"),
    "an unknown shape": ("problem: {shape: fourier, instance: {C: 2}}", "'fourier' is none"),
    "no output": (MATMUL.replace(", read_write: true", ""), "read_write: true"),
    "a size that is none": (MATMUL.replace("M: 24", "M: 2.5"), "M is 2.5, not a whole number"),
    "an expression": (MATMUL.replace("M: 24", "M: 3*8"), "M is '3*8', not a whole number"),
    "a list": ("problem: [1, 2]", "no problem of Timeloop"),
    "three dimensions in a window": (
        STRANGE.replace("[F]]", "[F], [C]]"), "windows of more than two dimensions",
    ),
    "a template": (
        "problem:\n  instance: {C: {{ c }}}", "is a template ('{{' on line 2), which is not filled",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_problems_that_are_none_get_one_line(tmp_path, name):
    text, message = FAULTS[name]
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        kcsim.load_network(tmp_path / "p.yaml")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


BROKEN = {
    "no MAC unit": (FLAT.replace("class: intmac", "class: adder"), "no component is a MAC unit"),
    "an expression": (
        FLAT.replace("depth: 1024", "depth: 2**10"),
        "'2**10'; expected a whole number",
    ),
    "no name": (FLAT.replace("name: glb\n", "label: glb\n"), "a node has no name"),
    "no class": (FLAT.replace("class: smartbuffer_SRAM\n", "kind: SRAM\n"), "'glb' has no class"),
    "a mesh that is none": (FLAT.replace("meshX: 4", "meshX: 0"), "meshX of 'column' is 0"),
    "two branches": (
        TREE.replace("architecture_constraints:", "  - {name: more}\nx:"),
        "second tree",
    ),
    "instances that do not divide": (
        TREE.replace("meshX: 4", "meshX: 5"),
        "meshX of 'weights_spad'",
    ),
    "nothing": ("architecture: {version: 0.4}", "neither 'nodes' nor 'subtree'"),
    "the oldest form": ("arch: {arithmetic: {}}", "oldest form"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_architectures_that_are_none_get_one_line(name):
    text, message = BROKEN[name]
    with pytest.raises(InputError) as caught:
        hardware_of_data(architecture_of(parse_foreign_yaml(text, "a.yaml")).data, None, "a.yaml")
    assert message in str(caught.value)


LAYER = ConvLayer("c", 4, 6, 6, 6, 3, 3)


def written(text, tmp_path, **settings):
    (tmp_path / "m.yaml").write_text(text)
    return read_timeloop_mapping(
        tmp_path / "m.yaml", LAYER, kcsim.load_hardware("simple"), **settings
    )


MAPPING = """
mapping:
- {target: DRAM, type: temporal, factors: P4 Q=1, permutation: PQ}
- {target: buffer, type: datatype, keep: [Inputs, Outputs], bypass: [Weights]}
- {target: buffer, type: temporal, factors: "C2,R3", permutation: RC}
- {target: buffer, type: spatial, factors: [K=6, C=2], permutation: [K, C], split: 1}
- {target: register_file, type: temporal, factors: S=3 Q=4, permutation: S Q}
"""


def test_mappings_in_all_their_spellings(tmp_path):
    mapping = written(MAPPING, tmp_path)
    assert [str(loop) for loop in mapping.levels[0].temporal] == ["P=4"]
    assert [str(loop) for loop in mapping.levels[1].temporal] == ["C=2", "R=3"]
    assert [str(loop) for loop in mapping.levels[1].spatial_x] == ["M=6"]
    assert [str(loop) for loop in mapping.levels[1].spatial_y] == ["C=2"]
    assert [str(loop) for loop in mapping.levels[2].temporal] == ["Q=4", "S=3"]
    assert mapping.levels[1].bypass == ("weights",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("target: buffer, type: temporal", "target: bufer, type: temporal", "has no level 'bufer'"),
        ("K=6", "X=6", "'X' is no loop of a layer"),
        ("K=6", "K=0", "stands for what is left over"),
        ("K=6", '"K=4,2"', "is an imperfect factor"),
        ("K=6", "six", "'six' is no factor"),
        ("type: spatial", "type: diagonal", "the type is 'diagonal'"),
        ("split: 1", "split: one", "split is 'one'"),
        ("bypass: [Weights]", "bypass: [Wights]", "'Wights' is no tensor"),
        ("mapping:", "maping:", "no mapping of Timeloop"),
    ],
)
def test_mappings_that_are_none_get_one_line(tmp_path, old, new, message):
    with pytest.raises(InputError) as caught:
        written(MAPPING.replace(old, new), tmp_path)
    assert message in str(caught.value)


def test_mappings_that_do_not_cover_the_layer_are_refused(tmp_path):
    with pytest.raises(MappingError, match="the loops over M multiply to 3"):
        written(MAPPING.replace("K=6", "K=3"), tmp_path)
