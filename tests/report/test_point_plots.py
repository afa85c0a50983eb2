"""Plots of points: what is drawn is in the frame."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from kcsim.report.point_plots import lines, small_multiples


@pytest.fixture
def frame():
    """Points of two ways over k, at three sizes; dense weights have no k."""
    rows = [
        {"execution": way, "k": k, "size": size, "hardware_hash": "x", "energy": k * size + 1.0}
        for way, k, size in itertools.product(["decode", "share_sums"], [2.0, 4.0, 8.0], [1, 2, 3])
    ]
    rows += [
        {"execution": "dense", "k": np.nan, "size": i, "hardware_hash": "x", "energy": 5.0 * i}
        for i in (1, 2, 3)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(feasible=True)


def test_lines_are_the_least_at_each_value_and_constant_where_there_is_none(frame):
    axis = lines(frame, "k", "energy", "execution", ax=Figure().subplots())
    drawn = {each.get_label(): np.array(each.get_data()).tolist() for each in axis.get_lines()}
    assert drawn == {
        "decode": [[2, 4, 8], [3, 5, 9]],
        "dense": [[2, 8], [5, 5]],
        "share sums": [[2, 4, 8], [3, 5, 9]],
    }


def test_the_lowest_panel_of_each_column_says_what_goes_across(frame):
    figure = Figure()
    axes = small_multiples(
        frame, "size", lambda part, ax: lines(part, "k", "energy", ax=ax), figure
    )
    assert [axis.get_xlabel() for axis in axes] == ["", "k", "k"]
    assert [axis.xaxis.get_tick_params()["labelbottom"] for axis in axes] == [False, True, True]
    assert [axis.get_title() for axis in axes] == ["size 1", "size 2", "size 3"]
