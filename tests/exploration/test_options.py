"""What a sweep says beside the hardware: its points are what estimates of the same are."""

import pytest

import kcsim
from kcsim.errors import InputError
from kcsim.exploration.explore import plan_space
from kcsim.exploration.space_reader import read_space
from kcsim.mapping.fixed_reader import read_fixed

SPACE = {
    "hardware": "simple",
    "networks": ["lenet5"],
    "clusterings": ["none", "kernel:k=16,scope=layer"],
}
NETWORK = """\
name: tiny
input: {channels: 3, height: 19, width: 19}
layers:
  - {name: conv1, type: conv, out_channels: 17, kernel: 3}
"""
FIX = "levels:\n  - {level: register file, temporal: [P, ...]}\n"


def assert_estimates(found, **options):
    """Each point has the energy and the cycles of the run of an estimate."""
    frame = found.points().astype(object)
    for row in frame.where(frame.notna(), None).to_dict("records"):
        result = kcsim.estimate(
            "simple", "lenet5", row["clustering"], zeros=row["zeros"], precision=row["precision"],
            **options,
        )  # fmt: skip
        run = result.runs[row["run"]]
        assert (row["energy"], row["cycles"]) == pytest.approx((run.energy, run.cycles), rel=1e-9)


def test_zeros_and_precisions_of_points_are_those_of_estimates(tmp_path):
    space = {"zeros": ["none", "conv1:weights=0.5"], "precisions": ["none", "weights=8"]}
    found = kcsim.explore({**SPACE, **space}, tmp_path / "out", workers=1)
    frame = found.points()
    assert len(frame) == 8
    assert frame.groupby("precision", dropna=False)["energy"].max().nunique() == 2
    assert_estimates(found)


def test_bounds_need_not_divide_where_a_sweep_says_so(tmp_path):
    network = tmp_path / "tiny.yaml"
    network.write_text(NETWORK)
    space = {**SPACE, "networks": [str(network)], "objective": "cycles"}
    frames = {}
    for imperfect in (False, True):
        found = kcsim.explore({**space, "imperfect": imperfect}, tmp_path / "out", workers=1)
        frames[imperfect] = found.points()
        for row in frames[imperfect].to_dict("records"):
            clustering = row["clustering"] if isinstance(row["clustering"], str) else None
            run = kcsim.estimate(
                "simple", network, clustering, objective="cycles", imperfect=imperfect
            ).runs[row["run"]]
            assert row["cycles"] == run.cycles
    assert (frames[True]["cycles"] < frames[False]["cycles"]).all()
    assert not set(frames[True]["point"]) & set(frames[False]["point"])


@pytest.mark.parametrize("option", ["even", "fix"])
def test_what_is_demanded_of_mappings_holds_for_all_points(option, tmp_path):
    (tmp_path / "fix.yaml").write_text(FIX)
    asked = {"even": True, "fix": str(tmp_path / "fix.yaml")}
    found = kcsim.explore({**SPACE, option: asked[option]}, tmp_path / "out", workers=1)
    given = {"even": True, "fix": read_fixed(asked["fix"])}
    assert_estimates(found, **{option: given[option]})


def test_points_that_differ_in_what_is_fixed_are_different_points(tmp_path):
    names = {plan_space(read_space(SPACE)).points[0].name}
    for i, text in enumerate((FIX, FIX.replace("P, ", "Q, "))):
        file = tmp_path / f"{i}.yaml"
        file.write_text(text)
        names.add(plan_space(read_space({**SPACE, "fix": str(file)})).points[0].name)
    assert len(names) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zeros": ["inpts=0.5"]}, "did you mean 'inputs'"),
        ({"precisions": ["weights=none"]}, "weights"),
        ({"fix": "nothing.yaml"}, "no such file"),
        ({"zeros": "inputs=0.5"}, "must be a list"),
        ({"imperfect": True, "fix": "a.yaml"}, "expected 'imperfect' or 'fix'"),
        ({"imperfect": "yes"}, "imperfect"),
        ({"imperfect": True, "search": {"minimize": ["energy"], "prune": True}}, "lower bounds"),
    ],
)
def test_mistakes_in_options_are_told(options, message):
    with pytest.raises(InputError, match=message):
        plan_space(read_space({**SPACE, **options}))


@pytest.mark.parametrize(
    ("path", "values", "shown"),
    [
        ("levels.buffer.fanout.forwarding", [[], ["weights"]], ["[]", "[weights]"]),
        ("compute.zeros.inputs", ["gate", "skip"], ["gate", "skip"]),
        ("levels.buffer.width_bits", [64, 128], [64, 128]),
        ("precision_bits.partial_sums", [24, 32], [24, 32]),
    ],
)
def test_any_key_of_the_hardware_file_is_an_axis(path, values, shown, tmp_path):
    space = {"hardware": "simple", "networks": ["lenet5"], "axes": {path: values}}
    found = kcsim.explore(space, tmp_path / "out", workers=1)
    assert found.points()[path].tolist() == shown
