"""Figures of mapped layers: everything is written, in its place, and files are whole."""

import itertools
import os
import re

import pytest
from hypothesis import given, settings
from mapped_layers import mapped_layers
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from small_design import LAYER, MAPPING, design

import kcsim
from kcsim.cost.weight_format import WeightFormat
from kcsim.errors import InputError
from kcsim.hardware.level import Fanout, Level, Partition
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.report.mapping_figure import draw_mapping, plot_mapping

LAYERS = {
    "conv": kcsim.ConvLayer("conv3", 32, 48, 15, 15, 3, 3),
    "fc": kcsim.ConvLayer("fc", 512, 1000, 1, 1, 1, 1),
    "large": kcsim.ConvLayer("large", 65536, 65536, 256, 256, 1, 1, batch=64),
}


def level(name, **changes):
    return Level(**{"name": name, "read_pj": 1, "write_pj": 1, "capacity_words": 2**20, **changes})


def deep():
    """Six levels, twenty loops, long names, a short round, partitions, two buffers."""
    parts = (
        Partition(tensors=("outputs",), capacity_words=1024),
        Partition(tensors=("weights", "inputs"), capacity_words=8192),
    )
    hardware = Hardware(
        name=r"a design with a name of $x_1$ and more " * 2,
        levels=(
            Level(name="DRAM", read_pj=200, write_pj=200),
            level("a global buffer with a very long name", buffering="double"),
            level("L2", fanout=Fanout(x=4, y=4, transfer_pj=1)),
            level("L1", capacity_words=None, partitions=parts, buffering="double"),
            level("cluster", fanout=Fanout(x=8, y=8)),
            level("latch", capacity_words=12, buffering="double", keeps=("weights",)),
        ),
        compute=Compute(mac_pj=1, leakage_pj_per_cycle=0.1),
    )
    nests = (
        ("N=2 M=2 C=2 P=3", "", "", ()),
        ("P=2 Q=2 G=2", "", "", ("weights",)),
        ("M=2 C=2", "Q=4", "P=2", ()),
        ("N=2 P=2", "", "", ()),
        ("R=3", "M=8", "C=8", ()),
        ("S=3 M=2 Q=4 P=2", "", "", ()),
    )
    mapping = Mapping(
        tuple(
            LevelLoops(place.name, *(tuple(map(Loop.parse, t.split())) for t in texts), bypass)
            for place, (*texts, bypass) in zip(hardware.levels, nests, strict=True)
        )
    )
    layer = kcsim.ConvLayer("conv", 64, 128, 42, 34, 3, 3, groups=2, batch=4)
    return kcsim.evaluate(layer, hardware, mapping)


def found(hardware, layer):
    chip = kcsim.load_hardware(hardware)
    return kcsim.evaluate(LAYERS[layer], chip, kcsim.find_mapping(LAYERS[layer], chip))


def boxes(figure):
    """Where texts and small shapes are, in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    (page,) = figure.axes
    texts = {text: text.get_window_extent(renderer) for text in page.texts}
    width = figure.bbox.width
    shapes = [p.get_window_extent(renderer) for p in page.patches if isinstance(p, Rectangle)]
    lines = [line.get_window_extent(renderer) for line in page.lines]
    return texts, [box for box in (*shapes, *lines) if box.width < width / 2]


def check_layout(figure):
    texts, shapes = boxes(figure)
    for text, box in texts.items():
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
        assert text.get_fontsize() == 8
    for (one, a), (other, b) in itertools.combinations(texts.items(), 2):
        assert not a.overlaps(b), (one.get_text(), other.get_text())
    for text, box in texts.items():
        assert not any(box.overlaps(shape) for shape in shapes), text.get_text()
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in shapes)


@pytest.mark.parametrize(
    ("hardware", "layer"),
    [
        *(("eyeriss", name) for name in LAYERS),
        ("simple", "conv"),
        ("nvdla_like", "conv"),
        ("nvdla_like", "large"),
        ("tpu_like", "conv"),
        ("no_local_reuse", "fc"),
    ],
)
@pytest.mark.parametrize(("size", "width"), [("column", 3.5), ("page", 7.16)])
def test_nothing_overlaps_or_is_cut(hardware, layer, size, width):
    figure = draw_mapping(found(hardware, layer), size)
    check_layout(figure)
    assert figure.get_figwidth() == width
    assert not any("…" in text.get_text() for text in figure.axes[0].texts)


def test_a_deep_nest_fits(clustered):
    figure = draw_mapping(deep())
    check_layout(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    loops = [text for text in texts if re.fullmatch(r"(for|parallel) . in .*", text)]
    assert len(loops) == 20
    assert "for P in 3, last short" in loops
    assert "parallel C in 8 (Y)" in loops
    # Only names are cut.
    assert [text[:8] for text in texts if "…" in text] == ["a global"]
    assert figure.get_figwidth() == draw_mapping(clustered.dense.layers[0]).get_figwidth() < 7.2


@settings(max_examples=12)
@given(mapped_layers(imperfect=True))
def test_any_mapping_fits(case):
    for size in ("page", "column"):
        check_layout(draw_mapping(kcsim.evaluate(*case), size))


@settings(max_examples=40, deadline=None)
@given(mapped_layers(uneven=True))
def test_any_uneven_mapping_fits(case):
    _, hardware, mapping = case
    figure = draw_mapping(kcsim.evaluate(*case))
    check_layout(figure)
    written = [text.get_text() for text in figure.axes[0].texts]
    keeps, heights = mapping.keeps_array(hardware), mapping.heights_array(hardware)
    places = keeps[heights.any(axis=1)].sum()
    assert sum(text in ("[weights]", "[inputs]", "[outputs]") for text in written) == places


def test_what_is_written(indexed):
    figure = draw_mapping(indexed())
    check_layout(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for text in (
        "conv on small", "DRAM", "72", "in 8 indexes", "for M in 2", "parallel M in 2 (X)",
        "2 of 2 in use", "42.0 % of 200 B", "74.0 % of 100 B", "codebook", "network", "MAC",
        "M=4 C=2 P=2 Q=2 R=3 S=3: 288 MACs; indexes of 1×3×3 weights down to buffer",
    ):  # fmt: skip
        assert text in texts


def test_lengths_of_bars_are_energies():
    estimate = kcsim.evaluate(LAYER, design(), MAPPING)
    (page,) = draw_mapping(estimate).axes
    # Energy stands right of everything else.
    bars = [p for p in page.patches if p.get_x() > 5.3 and p.get_width() > 0]
    by_component = estimate.energy_by_component()
    scale = sum(bar.get_width() for bar in bars) / estimate.energy
    rows = {}
    for bar in bars:
        rows[bar.get_y()] = rows.get(bar.get_y(), 0) + bar.get_width()
    assert [rows[y] for y in sorted(rows)] == pytest.approx(
        [energy * scale for energy in by_component.values()]
    )


def test_indexes_of_a_single_entry_take_no_room():
    parts = (
        Partition(tensors=("weights",), capacity_words=8),
        Partition(tensors=("inputs", "outputs"), capacity_words=92),
    )
    store = CodebookStore(level="buffer", capacity_kib=1, read_pj=1, write_pj=1)
    buffer = {"capacity_words": None, "partitions": parts}
    weights = WeightFormat(16, (1, 3, 3), decode_level=1, codebook_words=9, codebook_bits=144)
    hardware = design(buffer=buffer, codebook=store)
    figure = draw_mapping(kcsim.evaluate(LAYER, hardware, MAPPING, weights))
    check_layout(figure)
    assert "0.0 % of 16.0 B" in [text.get_text() for text in figure.axes[0].texts]


def test_no_energy_at_all():
    free = {"read_pj": 0, "write_pj": 0}
    buffer = free | {"fanout": Fanout(x=2)}
    hardware = design(dram=free, buffer=buffer, pe=free, compute={"mac_pj": 0})
    check_layout(draw_mapping(kcsim.evaluate(LAYER, hardware, MAPPING)))


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("SVG", b"<?xml")]
)
def test_mapping_files(layer, ending, magic, tmp_path):
    files = [tmp_path / f"{i}.{ending}" for i in range(2)]
    for file in files:
        plot_mapping(layer, file)
    content = files[0].read_bytes()
    assert content.startswith(magic)
    assert content == files[1].read_bytes()
    assert len(os.listdir(tmp_path)) == 2
    assert b"/Type3" not in content
    if ending == "SVG":
        assert "scratchpads" in content.decode()


def test_a_failed_figure_leaves_the_old_file(layer, tmp_path, monkeypatch):
    file = tmp_path / "nest.png"
    file.write_bytes(b"old")

    def fail(self, target, **settings):
        target.write(b"half")
        raise RuntimeError("no memory")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        plot_mapping(layer, file)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["nest.png"]


def test_endings_of_mapping_files(layer, tmp_path):
    with pytest.raises(InputError, match=r"expected one of \.png, \.pdf, \.svg"):
        plot_mapping(layer, tmp_path / "nest.jpeg")
