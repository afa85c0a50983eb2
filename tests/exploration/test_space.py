"""Sweep files: what they mean, and what is said of mistakes."""

import dataclasses
import itertools

import numpy as np
import pytest
from random_clustered import random_clustered
from sweeps import SMALL, write_sweep

import kcsim
from kcsim.errors import InputError
from kcsim.exploration.plan import Planner
from kcsim.exploration.ranges import read_values
from kcsim.exploration.search import Searcher
from kcsim.exploration.space_reader import read_space
from kcsim.weights.accuracy import Accuracy

BASE = {"hardware": "simple", "networks": ["lenet5"]}


def points(space):
    return Planner(read_space({**BASE, **space})).plan().points


@pytest.mark.parametrize(
    ("key", "data", "values"),
    [
        ("capacity", {"log2": ["16 KiB", "1 MiB"]}, (16, 32, 64, 128, 256, 512, 1024)),
        ("capacity", ["128 B", "1 MiB"], (0.125, 1024)),
        ("k", {"log": [1, 1000], "count": 4}, (1, 10, 100, 1000)),
        ("k", {"linear": [1, 10], "count": 4}, (1, 4, 7, 10)),
        ("x", {"linear": [2, 9], "step": 3}, (2, 5, 8)),
        ("read_pj", {"linear": [0.5, 1.0], "step": 0.25}, (0.5, 0.75, 1.0)),
        ("capacity", {"linear": ["1 KiB", "2 KiB"], "step": "512 B"}, (1, 1.5, 2)),
    ],
)
def test_ranges(key, data, values):
    assert read_values(key, data).choices == pytest.approx(values)


def test_all_combinations_are_points_in_order_and_equal_ones_are_one():
    found = points({k: v for k, v in SMALL.items() if k not in BASE})
    assert len(found) == 18
    wanted = itertools.product((None, 16, 64), (16, 32, 64), (0.125, 0.5))
    columns = ("k", "levels.buffer.capacity", "levels.register file.capacity")
    have = [tuple(p.inputs[c] for c in columns) for p in found]
    assert sorted(have, key=str) == sorted(wanted, key=str)
    assert len({p.name for p in found}) == 18


def test_a_point_is_the_hardware_that_overrides_make():
    (point,) = points({"axes": {
        "levels.buffer.capacity": ["64 KiB"],
        "levels.buffer.fanout": {"linked": [{"x": 8, "y": 4}]},
        "precision_bits.weights": [8],
    }})  # fmt: skip
    overrides = ["levels.buffer.capacity=64 KiB", "levels.buffer.fanout.x=8",
                 "levels.buffer.fanout.y=4", "precision_bits.weights=8"]  # fmt: skip
    from kcsim.exploration.designs import hardware_hash

    wanted = kcsim.load_hardware("simple", overrides)
    assert point.inputs["hardware_hash"] == hardware_hash(wanted)
    assert point.inputs["mac_units"] == 32


def test_what_follows_and_what_is_derived():
    found = points({
        "parameters": {"n": [4, 8]},
        "axes": {
            "levels.buffer.fanout.x": {"equals": "n"},
            "levels.buffer.fanout.y": {"equals": "2 * levels.buffer.fanout.x"},
        },
        "derived": {"PEs": "levels.buffer.fanout.x * levels.buffer.fanout.y"},
        "constraints": ["PEs <= mac_units", "PEs > 40"],
    })  # fmt: skip
    assert [p.inputs["PEs"] for p in found] == [128]
    assert [p.inputs["mac_units"] for p in found] == [128]


@pytest.mark.parametrize("kind", ["random", "quasi_random"])
def test_samples_are_seeded_and_stay_within_ranges(kind):
    space = {"axes": {"levels.buffer.capacity": {"log": ["16 KiB", "1 MiB"]},
                      "levels.register file.capacity": ["64 B", "128 B"]},
             "sample": {kind: 20, "seed": 3}}  # fmt: skip
    first, second = points(space), points(space)
    assert [p.name for p in first] == [p.name for p in second]
    other = points({**space, "sample": {kind: 20, "seed": 4}})
    assert [p.name for p in first] != [p.name for p in other]
    sizes = [p.inputs["levels.buffer.capacity"] for p in first]
    assert len(set(sizes)) > 15
    assert all(16 <= size <= 1024 for size in sizes)


def test_quasi_random_points_cover_every_part_of_a_range():
    space = {"axes": {"levels.buffer.capacity": {"log": ["1 KiB", "256 KiB"]}},
             "sample": {"quasi_random": 16}}  # fmt: skip
    logs = np.log2([p.inputs["levels.buffer.capacity"] for p in points(space)])
    assert set(np.floor(logs)) >= set(range(8))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"axes": {"levels.bufer.capacity": ["1 KiB"]}}, "did you mean 'levels.buffer.capacity'"),
        (
            {"axes": {"levels.registers.capacity": ["1 KiB"]}},
            "no 'registers'.*did you mean 'levels.register file.capacity'",
        ),
        (
            {"axes": {"levels[1].capacity": ["1 KiB"], "levels.buffer.capacity_kib": [2]}},
            "'levels.buffer.capacity_kib' and 'levels.1..capacity' are the same value",
        ),
        (
            {"axes": {"levels.buffer.fanout.x": [2]}, "set": {"levels.buffer.fanout.x": 4}},
            "'levels.buffer.fanout.x' is given twice",
        ),
        ({"constraints": ["area_mm2"]}, "'area_mm2' is no condition"),
        ({"parameters": {"k": [4, 8]}}, "nothing uses the parameter 'k'"),
        ({"weights": ["none.safetensors"]}, "no such file"),
        (
            {"set": {"levels.buffer.read_pj": "x"}, "axes": {"levels.buffer.fanout.x": [4, 2]}},
            "must be a number, not the text 'x'$",
        ),
        ({"derived": {"q": "1 / 0"}}, "division by zero.$"),
        ({"accuracy": "none.csv"}, "no such file"),
        ({"axes": {"levels.buffer.capacity": ["1 KB"]}}, "ambiguous"),
        ({"axes": {"levels.buffer.capacity": [16]}}, "a number and a unit"),
        ({"axes": {"levels.buffer.capacity": ["0 KiB"]}}, "capacity"),
        ({"axes": {"levels.buffer.capacity": []}}, "no values"),
        ({"axes": {"levels.buffer.capacity": {"log": ["1 KiB", "2 KiB"]}}}, "count or step"),
        ({"axes": {"levels.buffer.fanout.x": [4, 4]}}, "twice"),
        ({"axes": {"levels.buffer.fanout": {"linked": [{"x": 1}, {"y": 1}]}}}, "keys are not"),
        ({"constraints": ["area_mm <= 5"]}, "did you mean 'area_mm2'"),
        ({"constraints": ["area_mm2 <="]}, "cannot stand there"),
        (
            {"constraints": ["area_mm2 <= 0.01"]},
            r"'area_mm2 <= 0.01' rules out 1 of 1 points, where area_mm2 is 2.376 to 2.376",
        ),
        ({"parameters": {"energy": [1, 2]}}, "'energy' is a column of the tables"),
        ({"derived": {"network": "1"}}, "'network' is a column of the tables"),
        (
            {"derived": {"a": "b + 1", "b": "1"}},
            "'b \\+ 1' has 'b', which does not stand above it",
        ),
        (
            {"parameters": {"n": [0, 1]}, "derived": {"q": "1 / n"}},
            "'1 / n' has no value .division by zero. for n = 0",
        ),
        ({"clusterings": ["kernel:k={q},scope=layer"]}, "no parameter 'q'"),
        ({"clusterings": ["kernle:k=4"]}, "did you mean 'kernel'"),
        ({"networks": ["lenet6"]}, "lenet5"),
        ({"hardware": "simpel"}, "did you mean 'simple.yaml'"),
        ({"objective": "speed"}, "'edp'"),
        ({"executions": ["decoed"], "clusterings": ["kernel:k=4"]}, "did you mean 'decode'"),
        ({"sample": {"seed": 1}}, "random or quasi_random"),
        ({"axis": {}}, "did you mean 'axes'"),
        ({"search": {"minimize": []}}, "something to minimize"),
        ({"axes": {"levels.buffer.capacity": {"equals": "2"}}}, "takes a unit"),
    ],
)
def test_mistakes_are_told_before_anything_runs(space, message, tmp_path):
    with pytest.raises(InputError, match=message):
        points(space)
    file = write_sweep(tmp_path / "s.yaml", {**BASE, **space})
    with pytest.raises(InputError, match=message) as info:
        Planner(read_space(file)).plan()
    assert all("\n" not in str(each) for each in info.value.problems)


def test_all_mistakes_are_told_together_with_their_lines(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "hardware: simple\nnetworks: [lenet5]\naxes:\n  levels.buffer.capacity: [1 KB]\n"
        "constraints: ['1 +']\n"
    )
    with pytest.raises(InputError) as info:
        read_space(file)
    assert [each.mark.line for each in info.value.problems] == [4, 5]


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["networks: [lenet5, lenet6]"], (2, 20)),
        (["networks: [lenet5]", "clusterings: [none, 'kernel:k=0']"], (3, 21)),
        (["networks: [lenet5]", "axes: {levels.buffer.capacity: [1 KiB, -1 KiB]}"], (3, 40)),
        (["networks: [lenet5]", "axes:", "  levels.buffer.capacity: [1 KiB]",
          "  levels.buffer.fanout: {linked: [{x: 2, y: 2}, {x: 2, y: 0}]}"], (5, 49)),
        (["networks: [lenet5]", "clusterings: ['kernel:k=4']", "executions: [decode, decod]"],
         (4, 22)),
        (["networks: [lenet5]", "clusterings: ['kernel:k=4']", "decode_levels: [bufer]"], (4, 17)),
        (["networks: [lenet5]", "constraints: ['mac_units > 0', 'area_mm2 < 0']"], (3, 32)),
        (["networks: [lenet5]", "weights: [none.safetensors]"], (3, 11)),
    ],
)  # fmt: skip
def test_mistakes_of_points_are_told_where_they_stand(lines, place, tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("\n".join(["hardware: simple", *lines]) + "\n")
    with pytest.raises(InputError) as info:
        Planner(read_space(file)).plan()
    assert [(each.mark.line, each.mark.column) for each in info.value.problems] == [place]
    assert str(file) in str(info.value)


def test_mistakes_of_searches_are_told_before_anything_runs(tmp_path):
    space = {**BASE, "axes": {"levels.buffer.fanout.x": [4, 2, 0]}}
    for search in ({"minimize": ["edpp"]}, {"minimize": ["edp"]}):
        with pytest.raises(InputError, match=r"'edp'|fanout\.x' is 0"):
            Searcher(read_space({**space, "search": search}), tmp_path, None)
    space = {**BASE, "axes": {"levels.buffer.fanout.x": [4, 2]}}
    for goal, message in (("network", "'network' has texts"), ("accuracy", "not known of any")):
        with pytest.raises(InputError, match=message):
            Searcher(read_space({**space, "search": {"minimize": [goal]}}), tmp_path, None)


def test_accuracies_join_by_scheme_and_entries(tmp_path):
    (tmp_path / "acc.csv").write_text("scheme,K,accuracy\nkernel,16,91.5\nnone,,92\n")
    space = {**BASE, "clusterings": ["none", "kernel:k=16", "kernel:k=32"],
             "accuracy": "acc.csv"}  # fmt: skip
    found = Planner(read_space(write_sweep(tmp_path / "s.yaml", space))).plan().points
    assert [p.inputs["accuracy"] for p in found] == [92, 91.5, None]


def test_a_table_of_retraining_is_one_of_accuracies(tmp_path):
    pytest.importorskip("torch")
    from kcsim.retrain.command import add_line

    known = Accuracy("test.npz", 5000, "tied", 2, (0, 1), 0.91, (0.2, 0.3), (0.7, 0.8), (0.88, 0.9))
    network = kcsim.load_network("lenet5")
    for spec in ("kernel:k=7,scope=layer", "scalar:k=4"):
        weights = random_clustered(network, spec)
        add_line(tmp_path / "acc.csv", dataclasses.replace(weights, accuracy=known))
    wanted = ["none", "scalar:k=4", "kernel:k=7,scope=layer", "scalar:k=5"]
    space = {**BASE, "networks": ["lenet5"], "accuracy": "acc.csv", "clusterings": wanted}
    found = Planner(read_space(write_sweep(tmp_path / "s.yaml", space))).plan().points
    assert [p.inputs["accuracy"] for p in found] == [0.91, 0.89, 0.89, None]


@pytest.fixture
def clustered(tmp_path):
    """A file of clustered weights of LeNet-5, whose accuracy was measured."""
    known = Accuracy("test.npz", 5000, "tied", 2, (0, 1), 0.91, (0.2, 0.3), (0.7, 0.8), (0.88, 0.9))
    network = kcsim.load_network("lenet5")
    weights = random_clustered(network, "kernel:k=7,scope=layer")
    path = tmp_path / "lenet5.safetensors"
    kcsim.save_clustered(dataclasses.replace(weights, accuracy=known), path)
    return path


def rows_with(space, folder, *columns):
    found = Planner(read_space(write_sweep(folder / "s.yaml", {**BASE, **space}))).plan().points
    return [tuple(point.inputs[column] for column in columns) for point in found]


def test_accuracies_are_read_from_files_of_weights_beside_the_sweep(clustered, tmp_path):
    space = {"clusterings": ["none"], "weights": [clustered.name]}
    found = rows_with(space, tmp_path, "scheme", "clusters", "accuracy")
    assert found == [(None, None, 0.91), ("kernel", 7, 0.88)]
    # Without anything beside them, weights are the only rows.
    assert rows_with({"weights": [clustered.name]}, tmp_path, "accuracy") == [(0.88,)]


def test_a_table_of_accuracies_comes_before_files_of_weights_and_decides_on_percent(
    clustered, tmp_path
):
    (tmp_path / "acc.csv").write_text("scheme,k,accuracy\nkernel,16,75.5\nnone,,92\n")
    space = {"clusterings": ["none", "kernel:k=16"], "weights": [clustered.name],
             "accuracy": "acc.csv"}  # fmt: skip
    found = rows_with(space, tmp_path, "clusters", "accuracy")
    assert found == [(None, 92), (16, 75.5), (7, pytest.approx(88))]


def test_weights_of_another_network_say_nothing_of_a_dense_one(clustered, tmp_path):
    space = {"networks": ["resnet20"], "clusterings": ["none"]}
    assert rows_with(space, tmp_path, "network")
    with pytest.raises(InputError, match=r"s\.yaml:7:3: .* and 19 more mistakes"):
        rows_with({**space, "weights": [clustered.name]}, tmp_path, "accuracy")


@pytest.mark.parametrize(
    ("text", "message"),
    [("scheme,k\n", "no column 'accuracy'"), ("acuracy,k\n", "no column 'accuracy'"),
     ("shceme,accuracy\n", "did you mean 'scheme'"), ("k,accuracy\n4,high\n", "'high'"),
     ("k,accuracy\n4,1\n4,2\n", "s.csv:3:1: a row above"), ("k,accuracy\n4\n", "1 cells")],
)  # fmt: skip
def test_mistakes_in_tables_of_accuracies(text, message, tmp_path):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        points({"clusterings": ["kernel:k=4"], "accuracy": str(tmp_path / "s.csv")})


def test_points_share_mapping_problems_and_are_counted():
    plan = Planner(read_space(SMALL)).plan()
    # LeNet-5 has four shapes; two of its layers are fully connected and stay dense.
    assert plan.mapping_problems(plan.points) == 6 * (4 + 2 + 2)
