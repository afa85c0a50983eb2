"""One style for all figures: sizes as printed, texts of 8 pt, parts told apart in gray."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

import kcsim
from kcsim.errors import InputError
from kcsim.report.area_figure import draw_area
from kcsim.report.comparison_figure import draw_comparison
from kcsim.report.energy_figure import draw_energy
from kcsim.report.mapping_figure import draw_mapping
from kcsim.report.pictures import COLORS, SIZES, check_size
from kcsim.report.plot import part_colors


def lightness(color):
    """L* of CIE 1976, from 0 to 100: what is left of a color in gray."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(color)]
    luminance = float(np.dot((0.2126, 0.7152, 0.0722), linear))
    return 116 * np.cbrt(luminance) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_every_two_colors_differ_in_gray():
    for one, other in itertools.combinations(COLORS, 2):
        assert abs(lightness(one) - lightness(other)) >= 8, (one, other)


@pytest.mark.parametrize(
    "parts",
    [
        ("DRAM", "buffer", "buffer network", "scratchpads", "MAC", "codebook", "static"),
        ("weights", "inputs", "outputs", "intermediate", "other"),
        tuple("ABCDEFGH"),
    ],
)
def test_parts_of_one_bar_differ_in_gray(parts):
    for one, other in itertools.combinations(part_colors(parts), 2):
        assert abs(lightness(one) - lightness(other)) >= 8


@pytest.fixture(scope="module")
def figures():
    result = kcsim.compare_executions("eyeriss", "lenet5", "kernel:k=8,scope=layer")
    return {
        "energy": lambda size: draw_energy(result, size),
        "comparison": lambda size: draw_comparison(result, size),
        "mapping": lambda size: draw_mapping(result.dense.layers[1], size),
        "area": lambda size: draw_area(result.hardware, size),
    }


@pytest.mark.parametrize("name", ["energy", "comparison", "mapping", "area"])
@pytest.mark.parametrize("size", SIZES)
def test_figures_are_as_wide_as_asked_and_have_texts_of_eight_points(figures, name, size):
    figure = figures[name](size)
    assert figure.get_figwidth() == SIZES[size]
    figure.draw(FigureCanvasAgg(figure).get_renderer())
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert texts
    assert {text.get_fontsize() for text in texts} == {8}


@pytest.mark.parametrize("name", ["energy", "comparison", "mapping", "area"])
@pytest.mark.parametrize("size", SIZES)
def test_no_text_leaves_the_figure(figures, name, size):
    figure = figures[name](size)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    # Ticks beyond the ends of an axis are there, but are not drawn.
    beyond = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible() and text not in beyond:
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1, text
            assert box.x1 <= figure.bbox.width + 1, text


def test_another_size_is_refused():
    with pytest.raises(InputError, match=r"expected column \(3.5 in\) or page \(7.16 in\)"):
        check_size("colum")
