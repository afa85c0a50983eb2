"""What is fixed of a mapping: how it is read, and how it is told that it cannot be met."""

import dataclasses

import pytest

from kcsim import (
    FixedLevel,
    FixedMapping,
    InputError,
    MappingError,
    estimate,
    find_front,
    load_hardware,
    load_layer,
    map_layer,
    read_fixed,
    search_mapping,
)
from kcsim.mapping.fixed import Bound

LAYER, EYERISS = load_layer("alexnet/conv3"), load_hardware("eyeriss")


def written(folder, *levels):
    """A file with one level a line."""
    path = folder / "fix.yaml"
    path.write_text("levels:\n" + "".join(f"  - {{{level}}}\n" for level in levels))
    return path


WRONG = {
    "unknown level": (["level: buffr"], ":2:13: eyeriss has no level 'buffr'"),
    "level twice": (["level: buffer", "level: buffer"], ":3:13: level 'buffer' comes twice"),
    "two lists": (
        ["level: buffer, temporal: [C=8], nest: [C=8]"], ":2:44: level 'buffer' has both",
    ),
    "a tensor that is not kept": (["level: buffer, nest: [weights]"], "does not keep weights"),
    "a tensor twice": (["level: buffer, nest: [inputs, C=2, inputs]"], "inputs stand twice"),
    "kept and not": (
        ["level: buffer, nest: [inputs], bypass: [inputs]"], "in the nest of level 'buffer' and",
    ),
    "bypass of the outermost level": (["level: DRAM, bypass: [inputs]"], "cannot bypass"),
    "bypass of what is not kept": (["level: buffer, bypass: [weights]"], "in the first place"),
    "loops before all": (
        ["level: buffer, nest: [C=8, outputs, inputs]"], "C=8 stands before all that level",
    ),
    "loops before tensors outermost": (
        ["level: DRAM, nest: [C=8, weights]"], "loops of the outermost level 'DRAM' stand before",
    ),
    "tiles of the outermost level": (["level: DRAM, tile: [C=8]"], "are the whole layer"),
    "loops that touch": (["level: buffer, nest: [C=8, C=4]"], "two loops over C touch"),
    "a dimension twice on an axis": (
        ["level: buffer, spatial_y: [M=2, C=2, M=2]"], "M comes twice along Y below 'buffer'",
    ),
    "a dimension twice": (["level: buffer, factors: [C=2, C=4]"], "C comes twice in the factors"),
    "too many children": (["level: buffer, spatial_x: [M=24]"], "need 24 children; expected"),
    "no divisor": (
        ["level: buffer, factors: [C=5]"],
        "5 does not divide the C = 256 of conv3; expected a divisor of 256, as 4",
    ),
    "no divisor together": (
        ["level: DRAM, temporal: [C=16, ...]", "level: buffer, factors: [C=32]"],
        ":3:31: the loops over C that are fixed down to level 'buffer' multiply to 512, which does",
    ),
    "tiles that do not fit": (
        ["level: DRAM, temporal: [...]", "level: scratchpads, tile: [M=384]"],
        ":3:33: no mapping of conv3 on eyeriss has 'scratchpads' tile [M=384]: the tiles do not "
        "fit level 'scratchpads'",
    ),
    "nothing left to iterate": (
        ["level: DRAM, temporal: [P]", "level: buffer, nest: [C, Q, R, S], spatial_x: [P], "
         "spatial_y: [C]", "level: scratchpads, factors: [M<=2]"],
        ": they leave no place for all of R = 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_met_is_told_by_level_dimension_and_line(case, tmp_path):
    levels, message = WRONG[case]
    with pytest.raises(MappingError) as error:
        search_mapping(LAYER, EYERISS, fix=read_fixed(written(tmp_path, *levels)))
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).startswith(str(tmp_path / "fix.yaml"))


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("level: buffer, nest: [output, C=8]", "did you mean 'outputs'"),
        ("level: buffer, temporal: [K=8]", "'K=8' is no bound; expected DIMENSION=NUMBER"),
        ("level: buffer, temporal: [C=0]", "'C=0' is no bound"),
        ("level: buffer, temporal: [C=-1]", "'C=-1' is no bound"),
        ("level: buffer, temporal: [C>=2]", "'C>=2' is no bound"),
        ("level: buffer, temporal: [outputs, C=2]", "'outputs' is no bound"),
        ("level: buffer, factors: [...]", "'...' is no bound"),
        ("level: buffer, stationary: weight", "weights"),
        ("level: buffer, tiles: [C=2]", "did you mean 'tile'"),
        ("level: buffer, temporal: C=2", "temporal"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path, level, message):
    with pytest.raises(InputError, match=r"fix\.yaml:2:") as error:
        read_fixed(written(tmp_path, level))
    assert message in str(error.value)


def test_only_parts_that_cannot_hold_together_are_named(tmp_path):
    path = written(
        tmp_path,
        "level: DRAM, temporal: []",
        "level: buffer, spatial_x: [P=13]",
        "level: scratchpads, factors: [C<=4]",
    )
    # Without loops at DRAM, the buffer has to hold all outputs, or all inputs.
    with pytest.raises(MappingError) as error:
        search_mapping(LAYER, EYERISS, fix=read_fixed(path))
    assert "has 'DRAM' temporal []: the tiles do not fit level 'buffer'" in str(error.value)


def test_a_dataflow_is_not_overruled():
    weights = load_hardware("weight_stationary")
    layer, levels = load_layer("lenet5/conv2"), weights.dataflow.levels
    name = next(name for name, each in levels.items() if each.stationary)
    own = levels[name].stationary
    other = "outputs" if own != "outputs" else "inputs"
    with pytest.raises(MappingError, match=f"keeps {own} stationary at level '{name}'"):
        search_mapping(layer, weights, fix=FixedMapping([FixedLevel(name, stationary=other)]))
    same = FixedMapping([FixedLevel(name, stationary=own)])
    free = search_mapping(layer, weights)
    assert search_mapping(layer, weights, fix=same).energy == free.energy


def test_what_is_found_anyway_may_be_fixed_part_by_part():
    best = search_mapping(LAYER, EYERISS)
    for level in best.mapping.levels:
        factors = {}
        for loop in level.temporal:
            factors[loop.dimension] = factors.get(loop.dimension, 1) * loop.bound
        for part in (
            {"factors": [f"{d}={n}" for d, n in factors.items()]},
            {"spatial_x": [str(loop) for loop in level.spatial_x]},
            {"spatial_y": [*map(str, level.spatial_y[:1]), "..."]},
            {"nest": ["..."]},
            {"bypass": []} if level.level != "DRAM" else {},
        ):
            again = search_mapping(
                LAYER, EYERISS, fix=FixedMapping([FixedLevel(level.level, **part)])
            )
            assert (again.energy, again.cycles) == (best.energy, best.cycles)
            assert (again.proved, again.fixed) == (True, True)
            assert again.mappings == best.mappings


def test_loops_over_children_stay_in_the_order_in_which_they_are_fixed():
    fix = FixedMapping([FixedLevel("buffer", spatial_y=["R=3", "...", "C=2"])])
    found = search_mapping(LAYER, EYERISS, fix=fix).mapping.levels[1].spatial_y
    assert [loop.dimension for loop in found if loop.dimension in "RC"] == ["R", "C"]
    assert (str(found[0]), str(found[-1])) == ("R=3", "C=2")


def test_any_tensor_may_be_left_out_of_a_level():
    simple = load_hardware("simple")
    fix = FixedMapping([FixedLevel("register file", bypass=["outputs"])])
    found = search_mapping(LAYER, simple, objective="energy", fix=fix)
    levels = list(simple.levels)
    levels[2] = dataclasses.replace(levels[2], keeps=("weights", "inputs"))
    without = dataclasses.replace(simple, levels=tuple(levels))
    best = search_mapping(LAYER, without, objective="energy")
    assert (found.energy, found.cycles) == (best.energy, best.cycles)
    assert found.mapping.levels[2].bypass == ("outputs",)


def test_no_point_of_a_front_lacks_what_is_fixed():
    fix = FixedMapping([FixedLevel("buffer", spatial_x=["M=8"])])
    front = find_front(load_layer("alexnet/conv5"), EYERISS, fix=fix)
    assert front.fixed
    assert front
    assert all(str(p.mapping.levels[1].spatial_x[0]) == "M=8" for p in front)


def test_layers_of_equal_shape_may_be_fixed_each_in_its_way():
    layers = load_layer("alexnet/conv4"), load_layer("alexnet/conv5")
    fixes = {
        "conv4": FixedMapping([FixedLevel("buffer", spatial_x=["P=13"])]),
        "conv5": FixedMapping([FixedLevel("buffer", spatial_x=["M=4"])]),
    }
    from kcsim.workload.network import Network

    network = Network("two", tuple(dataclasses.replace(layers[1], name=n.name) for n in layers))
    found = estimate(EYERISS, network, "scalar:k=16", fix=fixes)
    for run in found.runs.values():
        spread = [str(layer.mapping.levels[1].spatial_x[0]) for layer in run.layers]
        assert spread == ["P=13", "M=4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"fix": {"conv9": FixedMapping([])}},
            "'conv9', which is no layer of alexnet",
        ),
        ({"fix": FixedMapping([]), "execution": "auto"}, "for decoded weights, not for 'auto'"),
    ],
)
def test_what_is_fixed_of_no_layer_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        estimate(EYERISS, "alexnet", "scalar:k=16", **options)


def test_imperfect_bounds_cannot_be_fixed():
    with pytest.raises(InputError, match="for bounds that divide"):
        map_layer(LAYER, EYERISS, imperfect=True, fix=FixedMapping([]))


@pytest.mark.parametrize("text", ["C=8", "C<=8", "C"])
def test_bounds_are_written_as_they_are_read(text):
    assert str(Bound.parse(text)) == text


@pytest.mark.parametrize(
    "wrong",
    [
        {"temporal": ["X=2"]}, {"nest": ["weight"]}, {"bypass": ["biases"]}, {"factors": ["..."]},
        {"stationary": "biases"}, {"temporal": "C=2"}, {"tile": [3]},
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(InputError):
        FixedLevel("buffer", **wrong)
