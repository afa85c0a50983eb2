"""Pixels between the windows of a large stride: moved, or left out."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from kcsim import count_layer, estimate, load_hardware, load_layer
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer

LEVELS = (
    Level(name="DRAM", read_pj=1, write_pj=1),
    Level(name="buffer", read_pj=1, write_pj=1, capacity_words=10**6),
)
MOVED = Hardware(name="two", levels=LEVELS, compute=Compute(mac_pj=1))
LEFT_OUT = dataclasses.replace(MOVED, skipped_pixels="left_out")


def mapping(layer):
    """The buffer holds a strip of all channels at a time."""
    loops = {d: Loop(d, n) for d, n in layer.dimensions.items() if n > 1}
    strips = (loops.pop("P"),) if "P" in loops else ()
    return Mapping((LevelLoops("DRAM", strips), LevelLoops("buffer", tuple(loops.values()))))


def touched_pixels(layer):
    rows, columns = (
        {s * p + d * r for p in range(n) for r in range(taps)}
        for s, d, n, taps in zip(
            layer.stride, layer.dilation, (layer.out_height, layer.out_width),
            (layer.kernel_height, layer.kernel_width), strict=True,
        )
    )  # fmt: skip
    return layer.batch * layer.in_channels * len(rows) * len(columns)


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4))
def test_only_touched_pixels_are_read(kernel, stride, outputs, channels):
    size = stride * (outputs - 1) + kernel
    layer = ConvLayer("conv", channels, 2, size, size, kernel, kernel, stride)
    reads = [
        count_layer(layer, hardware, mapping(layer)).words("DRAM", "inputs", "reads")
        for hardware in (MOVED, LEFT_OUT)
    ]
    assert reads[1] == touched_pixels(layer)
    assert (reads[0] > reads[1]) == (stride > kernel and outputs > 1)


def test_a_shortcut_of_a_residual_network_is_a_convolution_of_every_second_pixel():
    layer = load_layer("resnet18/layer2.0.downsample")
    assert (layer.kernel_height, layer.stride) == (1, (2, 2))
    sampled = dataclasses.replace(layer, stride=(1, 1), in_height=28, in_width=28)
    counts = count_layer(layer, LEFT_OUT, mapping(layer))
    expected = count_layer(sampled, MOVED, mapping(sampled))
    assert (counts.accesses == expected.accesses).all()
    assert (counts.tile_words == expected.tile_words).all()


def test_the_option_reaches_the_estimate():
    plain = load_hardware("simple")
    energies = []
    for hardware in (plain, dataclasses.replace(plain, skipped_pixels="left_out")):
        run = estimate(hardware, "resnet18").dense
        energies.append({layer.layer.name: layer.energy for layer in run.layers})
    moved, left_out = energies
    changed = {name for name in moved if left_out[name] != moved[name]}
    assert changed
    assert all("downsample" in name and left_out[name] < moved[name] for name in changed)
