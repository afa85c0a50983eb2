"""The data of plots, and the files that they become."""

import os

import numpy as np
import pytest
from matplotlib.figure import Figure

from kcsim.errors import InputError
from kcsim.report import plot
from kcsim.report.energy_figure import plot_energy
from kcsim.report.plot import bars, part_colors


def test_data_adds_up(clustered):
    data = bars(clustered)
    assert data.unit == "pJ"
    assert data.runs == ("dense", "decode")
    assert data.groups == ("conv1", "conv2", "ip1", "ip2")
    assert data.parts == (
        "DRAM", "buffer", "buffer network", "scratchpads", "MAC", "codebook", "static",
    )  # fmt: skip
    for run, energy in zip(clustered.runs.values(), data.energy, strict=True):
        assert energy.sum() == pytest.approx(run.energy)
        by_layer = [layer.energy for layer in run.layers]
        assert energy.sum(axis=1) == pytest.approx(np.array(by_layer))
    assert not data.energy[0, :, data.parts.index("codebook")].any()


def test_the_smallest_of_many_components_are_added_up(clustered):
    whole, few = bars(clustered), bars(clustered, largest=3)
    assert few.parts == ("DRAM", "static", "other")
    assert few.energy.sum(axis=-1) == pytest.approx(whole.energy.sum(axis=-1))


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-"), ("SVG", b"<?xml")]
)
@pytest.mark.parametrize("name", ["clustered", "dense", "shared"])
def test_files(ending, magic, name, request, tmp_path):
    file = tmp_path / f"plot.{ending}"
    plot_energy(request.getfixturevalue(name), file)
    assert file.read_bytes().startswith(magic)
    assert os.listdir(tmp_path) == [file.name]


def test_equal_estimates_give_equal_files(clustered, tmp_path):
    for ending in ("png", "pdf", "svg"):
        files = [tmp_path / f"{i}.{ending}" for i in range(2)]
        for file in files:
            plot_energy(clustered, file)
        assert files[0].read_bytes() == files[1].read_bytes()


def test_text_stays_text(clustered, tmp_path):
    plot_energy(clustered, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("conv2", "scratchpads", "energy [µJ]", "decode", "lenet5 on eyeriss"):
        assert word in text
    plot_energy(clustered, tmp_path / "a.pdf")
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()
    assert b"/CIDFontType2" in (tmp_path / "a.pdf").read_bytes()


@pytest.mark.parametrize("name", ["plot", "plot.jpeg", "plot.", ".png"])
def test_other_endings_are_refused(clustered, tmp_path, name):
    with pytest.raises(InputError, match=r"expected one of \.png, \.pdf, \.svg"):
        plot_energy(clustered, tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_near_ending_is_suggested(clustered):
    with pytest.raises(InputError, match=r"did you mean '\.svg'"):
        plot_energy(clustered, "plot.svgz")


def test_a_failed_drawing_leaves_the_old_file(clustered, tmp_path, monkeypatch):
    file = tmp_path / "plot.png"
    file.write_bytes(b"old")

    def fail(self, target, **settings):
        target.write(b"half")
        raise RuntimeError("no memory")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        plot_energy(clustered, file)
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["plot.png"]


def test_components_keep_their_colors():
    some = dict(zip("AB", part_colors(("A", "B")), strict=True))
    more = ("A", "B", "C", "D", "E", "MAC", "codebook", "static")
    colors = dict(zip(more, part_colors(more), strict=True))
    assert some == {"A": colors["A"], "B": colors["B"]}
    assert part_colors(("static",)) == [colors["static"]]
    for names in (more, tuple("ABCDEFGH"), ("MAC", *"ABCDEFG")):
        assert len(set(part_colors(names))) == 8


@pytest.mark.parametrize("by", ["component", ["layer", "tensor"], ["run", "kind"], "layer"])
def test_bars_of_any_keys_are_the_energies_of_the_result(clustered, by):
    axis = Figure().subplots()
    assert plot.energy(clustered, by=by, ax=axis) is axis
    unit = {"µ": 1e6, "m": 1e9}[axis.get_ylabel()[-3]]
    heights = sum(bar.get_height() for bar in axis.patches)
    total = sum(run.energy for run in clustered.runs.values())
    assert heights * unit == pytest.approx(total)


def test_a_frame_is_drawn_as_its_result(clustered):
    one, other = Figure().subplots(), Figure().subplots()
    plot.energy(clustered, by=["layer", "component"], ax=one)
    plot.energy(clustered.energy(by=["layer", "component"]), ax=other)
    assert [b.get_bbox().bounds for b in one.patches] == [
        b.get_bbox().bounds for b in other.patches
    ]


def test_bars_of_unknown_or_too_many_keys_are_refused(clustered):
    with pytest.raises(InputError, match="did you mean 'layer'"):
        plot.energy(clustered, by="layers", ax=Figure().subplots())
    with pytest.raises(InputError, match="one key, or two"):
        plot.energy(clustered, by=["layer", "tensor", "action"], ax=Figure().subplots())
