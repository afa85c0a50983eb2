"""Figures of comparisons: bars are energies, everything is in its place, files are whole."""

import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import kcsim
from kcsim.errors import InputError
from kcsim.report.comparison_figure import draw_comparison, plot_comparison
from kcsim.report.plot import work_by_run

RUNS = 5


@pytest.fixture(scope="module")
def extreme():
    """A layer that is far slower where products are shared, on hardware with all components."""
    network = kcsim.load_network("lenet5").select(["conv2"])
    return kcsim.compare_executions("eyeriss_codebook", network, "scaled_kernel:k=2,scope=layer")


def check_layout(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [*figure.texts]
    for axis in figure.axes:
        texts += [axis.title, *axis.texts, *axis.get_legend().get_texts()]
        low, high = axis.get_ylim()
        texts += [t.label1 for t in axis.yaxis.get_major_ticks() if low <= t.get_loc() <= high]
        texts += [axis.yaxis.label] if axis.get_ylabel() else []
    texts = [text for text in texts if text.get_visible() and text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    upright = list(boxes)
    # The boxes of slanted labels overlap where the labels do not.
    boxes += [
        (label.get_text(), label.get_window_extent(renderer))
        for axis in figure.axes
        for label in axis.get_xticklabels()
    ]
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
    for (one, a), (other, b) in itertools.combinations(upright, 2):
        assert not a.overlaps(b), (one, other)
    for axis in figure.axes:
        legend = axis.get_legend().get_window_extent(renderer)
        for label in axis.get_xticklabels():
            assert label.get_window_extent(renderer).y0 >= legend.y1


@pytest.mark.parametrize("name", ["comparison", "extreme"])
@pytest.mark.parametrize("size", ["page", "column"])
def test_nothing_overlaps_or_is_cut(name, size, request):
    check_layout(draw_comparison(request.getfixturevalue(name), size))


def test_bars_are_the_energies(comparison):
    left, middle, _ = draw_comparison(comparison).axes
    runs = list(comparison.runs.values())
    for axis, accounts in (
        (left, [run.energy_by_component() for run in runs]),
        (middle, [run.energy_by_tensor() for run in runs]),
    ):
        drawn = {c.get_label(): [0.0] * RUNS for c in axis.containers}
        for bars in axis.containers:
            for bar in bars:
                place = round(bar.get_x() + bar.get_width() / 2)
                drawn[bars.get_label()][place] = bar.get_height()
        for name, heights in drawn.items():
            expected = [account.get(name, 0) / 1e3 for account in accounts]
            assert heights == pytest.approx(expected)
        assert np.sum([*drawn.values()], axis=0) == pytest.approx(
            [run.energy / 1e3 for run in runs]
        )
        ratios = [text.get_text() for text in axis.texts]
        assert ratios == [f"{runs[0].energy / run.energy:.2f}×" for run in runs[1:]]


@pytest.mark.parametrize("name", ["comparison", "extreme"])
def test_bars_of_the_work_end_at_its_share_of_dense(name, request):
    comparison = request.getfixturevalue(name)
    axis = draw_comparison(comparison).axes[-1]
    assert axis.get_yscale() == ("log" if name == "extreme" else "linear")
    for bars in axis.containers:
        ends = [bar.get_y() + bar.get_height() for bar in bars]
        assert ends == pytest.approx(work_by_run(comparison)[bars.get_label()])
        assert len(ends) == RUNS
    cycles = [run.cycles for run in comparison.runs.values()]
    assert work_by_run(comparison)["cycles"] == pytest.approx([n / cycles[0] for n in cycles])


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("SVG", b"<?xml")]
)
def test_files(comparison, ending, magic, tmp_path):
    files = [tmp_path / f"{i}.{ending}" for i in range(2)]
    for file in files:
        plot_comparison(comparison, file)
    content = files[0].read_bytes()
    assert content.startswith(magic)
    assert content == files[1].read_bytes()
    assert len(os.listdir(tmp_path)) == 2
    assert b"/Type3" not in content
    if ending == "SVG":
        for word in ("share products", "intermediate", "register file", "energy [k MAC]"):
            assert word in content.decode()


def test_names_are_no_formulas(comparison, tmp_path):
    odd = replace(comparison, network=replace(comparison.network, name="a $x_1$ b"))
    plot_comparison(odd, tmp_path / "a.svg")
    assert "a $x_1$ b on simple" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_other_endings_are_refused(comparison, tmp_path):
    with pytest.raises(InputError, match=r"expected one of \.png, \.pdf, \.svg"):
        plot_comparison(comparison, tmp_path / "a.jpeg")
    assert os.listdir(tmp_path) == []
