"""Figures of comparisons: bars are energies, everything is in its place, files are whole."""

import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import kcsim
from kcsim.errors import InputError
from kcsim.estimation.reasons import decoded_at
from kcsim.report.comparison_figure import draw_comparison, plot_comparison
from kcsim.report.cut_bars import shown_up_to
from kcsim.report.plot import work_by_run
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

RUNS = 5


@pytest.fixture(scope="module")
def extreme():
    """A layer that is far slower where products are shared, on hardware with all components."""
    network = kcsim.load_network("lenet5").select(["conv2"])
    return kcsim.compare_executions("eyeriss_codebook", network, "scaled_kernel:k=2,scope=layer")


def check_layout(figure):
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [*figure.texts, *(text for box in figure.legends for text in box.get_texts())]
    for axis in figure.axes:
        texts += [axis.title, *axis.texts]
        texts += axis.get_legend().get_texts() if axis.get_legend() else []
        low, high = axis.get_ylim()
        texts += [t.label1 for t in axis.yaxis.get_major_ticks() if low <= t.get_loc() <= high]
        texts += [axis.yaxis.label] if axis.get_ylabel() else []
        texts += [axis.xaxis.label] if axis.get_xlabel() else []
        upright = axis.get_xticklabels()
        texts += upright if upright[0].get_rotation() == 90 else []
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
    for axis in figure.axes[:3]:
        legend = axis.get_legend().get_window_extent(renderer)
        for label in axis.get_xticklabels():
            assert label.get_window_extent(renderer).y0 >= legend.y1


@pytest.fixture(scope="module")
def long():
    """Many layers with long names, one of which dwarfs all others."""
    layers = [ConvLayer(f"block{i}.convolution", 4, 4, 8, 8, 3, 3) for i in range(34)]
    layers.insert(7, ConvLayer("block.large", 64, 64, 8, 8, 3, 3))
    network = Network("long", tuple(layers))
    return kcsim.compare_executions("ucnn_like", network, "scalar:k=4,scope=layer")


@pytest.mark.parametrize("name", ["comparison", "extreme", "long"])
@pytest.mark.parametrize("size", ["page", "column"])
def test_nothing_overlaps_or_is_cut(name, size, request):
    check_layout(draw_comparison(request.getfixturevalue(name), size))


def test_bars_are_the_energies(comparison):
    left, middle, *_ = draw_comparison(comparison).axes
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


def bars_of(axis):
    """Ends of the bars by the group that they are in, from left to right."""
    names = [label.get_text() for label in axis.get_xticklabels()]
    found = {name: [] for name in names}
    for bar in axis.patches:
        middle = bar.get_x() + bar.get_width() / 2
        found[names[round(middle)]].append((middle, bar.get_height()))
    return {name: [height for _, height in sorted(bars)] for name, bars in found.items()}


@pytest.mark.parametrize("size", ["page", "column"])
def test_below_are_the_places_of_the_decoder_and_all_layers_as_they_are_executed(comparison, size):
    _, _, _, places, *panels = draw_comparison(comparison, size).axes
    unit = {"energy [k MAC]": 1e3}[places.get_ylabel()]
    drawn = bars_of(places)
    assert drawn.pop("dense") == pytest.approx([comparison.dense.energy / unit])
    found = {each.level: [each.energy / unit] for each in decoded_at(comparison)}
    assert drawn == {name: pytest.approx(heights) for name, heights in found.items()}
    layers = {}
    for panel in panels:
        factor = {"[k MAC]": 1e3, "[MAC]": 1}[panel.get_ylabel().removeprefix("energy ")]
        layers |= {n: [h * factor for h in heights] for n, heights in bars_of(panel).items()}
    pairs = zip(comparison.dense.layers, comparison["auto"].layers, strict=True)
    assert layers == {
        auto.layer.name: pytest.approx([dense.energy, auto.energy]) for dense, auto in pairs
    }


def test_a_bar_that_dwarfs_all_others_is_cut_and_its_value_is_told(long):
    panels = draw_comparison(long).axes[4:]
    energies = [each.energy for each in long.dense.layers]
    assert max(energies) > 3 * sorted(energies)[-2]
    (cut,) = [axis for axis in panels if axis.get_xlabel()]
    assert cut.get_xlabel().startswith("cut: block.large ")
    bars = bars_of(cut)
    largest = max(bars.pop("block.large"))
    assert largest == pytest.approx(1.3 * max(max(each) for each in bars.values()), rel=0.2)


@pytest.mark.parametrize(
    ("heights", "shown"),
    [([], 0), ([5], 5), ([1, 3], 3), ([1, 1, 3], 3), ([1, 1, 4], 1.3), ([1, 9, 9], 9),
     ([1, 1, 1, 9, 9], 1.3), ([2, 2, 2, 7, 50], 2.6), ([2, 2, 2, 5, 50], 6.5)],
)  # fmt: skip
def test_less_than_half_of_the_bars_are_cut_where_they_are_far_higher(heights, shown):
    assert shown_up_to(heights) == pytest.approx(shown)


def test_a_bar_that_others_are_compared_with_is_shown_as_a_whole():
    assert shown_up_to([10, 1, 1], 10) == 10


@pytest.mark.parametrize(("others", "shown"), [((7, 9, 12), 12), ((9, 12, 30), 1.3)])
def test_more_than_half_of_the_bars_are_cut_where_what_they_are_compared_with_vanishes(
    others, shown
):
    assert shown_up_to([1, *others, 0.9], 1) == pytest.approx(shown)


@pytest.mark.parametrize("name", ["comparison", "extreme"])
def test_bars_of_the_work_end_at_its_share_of_dense(name, request):
    comparison = request.getfixturevalue(name)
    axis = draw_comparison(comparison).axes[2]
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
