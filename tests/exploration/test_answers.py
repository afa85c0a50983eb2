"""Answers from tables of points, against brute force and functions whose answers are known."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kcsim.errors import InputError
from kcsim.exploration.answers import best, column_of, front, on_front, sensitivity
from kcsim.exploration.break_even import break_even, ways_to_compare
from kcsim.report.break_even_data import sentence, summary_table


@given(arrays(np.float64, st.tuples(st.integers(0, 12), st.integers(1, 3)),
              elements=st.integers(0, 4).map(float)))  # fmt: skip
def test_the_front_is_all_that_nothing_dominates(costs):
    wanted = [
        not any((other <= cost).all() and (other < cost).any() for other in costs) for cost in costs
    ]
    assert on_front(costs).tolist() == wanted


def grid(function, **values):
    rows = [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]
    frame = pd.DataFrame(rows)
    frame["hardware_hash"] = "x"
    frame["energy"] = [function(**row) for row in rows]
    frame["feasible"] = True
    return frame


def test_sensitivity_of_a_product_is_known():
    # In logarithms a product is a sum, whose shares of variance are those of its parts.
    frame = grid(lambda a, b, c: a**2 * b, a=[1, 2, 4, 8], b=[1, 2, 4, 8], c=[1, 2])
    found = sensitivity(frame).set_index("parameter")
    assert list(found.index) == ["a", "b", "c"]
    assert found["first_order"].tolist() == pytest.approx([0.8, 0.2, 0.0])
    assert found["total_order"].tolist() == pytest.approx([0.8, 0.2, 0.0])
    assert found["swing"].tolist() == pytest.approx([64, 8, 1])
    assert found["least_at"].tolist()[:2] == [1, 1]


def test_what_only_acts_together_shows_in_the_total_alone():
    frame = grid(lambda a, b: math.exp(a * b), a=[-1, 1], b=[-1, 1])
    found = sensitivity(frame)
    assert found["first_order"].tolist() == pytest.approx([0, 0])
    assert found["total_order"].tolist() == pytest.approx([1, 1])


def test_break_even_finds_where_powers_cross():
    frame = grid(lambda k, way: k if way == "share" else 10.0, k=[2, 4, 8, 16, 32],
                 way=["share", "decode"])  # fmt: skip
    (row,) = break_even(frame, "k", "way", "share", "decode").to_dict("records")
    assert row["better"] == "changes"
    assert row["from"] == 16
    assert math.isnan(row["up_to"])
    assert row["crossing"] == pytest.approx(10)
    (row,) = break_even(frame, "k", "way", "decode", "share").to_dict("records")
    assert math.isnan(row["from"])
    assert row["up_to"] == 8
    assert row["crossing"] == pytest.approx(10)


def with_dense(function, dense):
    """Points of two ways over k and size, and of dense weights, which have no k."""
    frame = grid(function, k=[2, 4, 8], size=[1, 2], execution=["decode", "share"])
    frame.insert(0, "clustering", [f"scalar:k={k}" for k in frame["k"]])
    plain = grid(lambda size, execution: dense[size], size=[1, 2], execution=["dense"])
    columns = list(frame.columns)
    return pd.concat([frame, plain.reindex(columns=columns)], ignore_index=True)


def test_what_has_no_value_of_a_parameter_is_compared_at_all_of_them():
    frame = with_dense(lambda k, size, execution: k, {1: 3.0, 2: 1.0})
    rows = break_even(frame, "k", "execution", "dense", "decode").set_index("size")
    assert rows["up_to"].tolist()[:1] == [2]
    assert rows["better"].tolist() == ["changes", "first"]
    assert rows["largest_ratio"].tolist() == pytest.approx([8 / 3, 8])
    along = break_even(frame, "size", "execution", "dense", "decode")
    found = dict(zip(along["clustering"], along["better"], strict=True))
    assert found == {"scalar:k=2": "changes", "scalar:k=4": "first", "scalar:k=8": "first"}


def test_each_execution_is_compared_with_decoding_and_that_with_dense():
    frame = with_dense(lambda k, size, execution: k, {1: 3.0, 2: 1.0})
    assert ways_to_compare(frame) == [("dense", "decode"), ("decode", "share")]
    with pytest.raises(InputError, match="nothing to compare"):
        ways_to_compare(frame[frame["execution"] != "decode"])


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (lambda k, size: 1.0, "at every k tried (0.25 to 0.50×"),
        (lambda k, size: 90.0, "at no k tried"),
        (lambda k, size: 3.0 * size, "from k = 4 on, they meet near 3 (size 1); from k = 8 on"),
        (lambda k, size: k**2 / 5, "up to k = 4, they meet near 5 "),
        (lambda k, size: float(k), "at no k: they are equal"),
        (lambda k, size: 2 * k if k == 4 else k / 2, "up to k = 2 and from 8 on"),
        (lambda k, size: k / 2 if k == 4 else 2 * k, "at some k only"),
    ],
)  # fmt: skip
def test_a_break_even_is_one_sentence(share, said):
    frame = grid(
        lambda k, size, execution: k if execution == "decode" else share(k, size),
        k=[2, 4, 8], size=[1, 2], execution=["decode", "share_sums"],
    )  # fmt: skip
    found = break_even(frame, "k", "execution", "decode", "share_sums")
    text = sentence(frame, found, "k", ("decode", "share_sums"), "energy")
    assert text.startswith("Sharing sums takes less energy than decoding ")
    assert said in text.replace("0.12 to 0.50", "0.25 to 0.50")


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (lambda k, size: 1.0, "at every k tried"),
        (lambda k, size: 1.0 if size == 1 else 90.0, "at every k tried with size 1, and at none"),
        (lambda k, size: 3.0 * size, "from k = 4 to 8 on, depending on size"),
        (lambda k, size: k**2 / (3 * size), "up to k = 2 to 4, depending on size"),
        (lambda k, size: 3.0 if size == 1 else k**2 / 3, "at some k, depending on size"),
    ],
)  # fmt: skip
def test_what_pays_is_summed_up_over_all_other_inputs(share, said):
    frame = grid(
        lambda k, size, execution: k if execution == "decode" else share(k, size),
        k=[2, 4, 8], size=[1, 2], execution=["decode", "share_sums"],
    )  # fmt: skip
    table = summary_table(frame, "k", [("decode", "share_sums")])
    ((way, against, pays),) = table.rows
    assert (way, against) == ("share_sums", "decode")
    assert pays.startswith(said)
    assert table.notes == (f"By energy, sharing sums beats decoding {pays}.",)


def test_break_even_says_what_can_be_compared():
    frame = grid(lambda k, way: k, k=[2, 4], way=["share", "decode"])
    with pytest.raises(InputError, match=r"expected of (share, decode|decode, share)"):
        break_even(frame, "k", "way", "share", "sum")


def test_the_best_holds_constraints_and_tells_columns_apart():
    frame = grid(lambda a, b: a * b, a=[1, 2, 3], b=[1, 2])
    frame.loc[0, "feasible"] = False
    assert best(frame, "energy")[["a", "b"]].to_numpy().tolist() == [[1, 2]]
    assert best(frame, "energy", ["a > 1", "a <= 2"])["energy"].tolist() == [2]
    assert sorted(best(frame, "energy", each=["a"])["a"]) == [1, 2, 3]
    with pytest.raises(InputError, match="no point"):
        best(frame, "energy", ["a > 7"])


def test_columns_go_by_the_end_of_their_path_and_by_aliases():
    frame = pd.DataFrame({"levels.buffer.capacity": [1], "levels.x.size": [1], "levels.y.size": [1],
                          "clusters": [4]})  # fmt: skip
    assert column_of(frame, "buffer.capacity") == "levels.buffer.capacity"
    assert column_of(frame, "k") == "clusters"
    with pytest.raises(InputError, match="one of several"):
        column_of(frame, "size")
    with pytest.raises(InputError, match="did you mean 'clusters'"):
        column_of(frame, "cluster")


def test_fronts_can_be_of_most():
    frame = grid(lambda a, b: a * b, a=[1, 2, 3], b=[1])
    frame["accuracy"] = [3.0, 1.0, 5.0]
    assert front(frame, ["energy"], ["accuracy"])["a"].tolist() == [1, 3]
