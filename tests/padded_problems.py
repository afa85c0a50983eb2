"""Random tiny problems of which lines at both ends of the inputs are padding that is not moved."""

from __future__ import annotations

import dataclasses
import random

from random_chips import random_chip_problem
from small_problems import layer_of
from uneven_problems import random_problem
from uneven_space import count_all

from kcsim.hardware.schema import Dataflow


def padded(rng, layer, hardware, most_lines):
    """A layer with so many lines of padding on a side at most, and hardware that generates them."""
    padding, sizes = [], []
    for size in (layer.in_height, layer.in_width):
        before = rng.randint(0, min(size - 1, most_lines))
        behind = rng.randint(0, min(size - 1 - before, most_lines))
        padding += [before, behind]
        sizes.append(size - before - behind)
    layer = dataclasses.replace(
        layer, padding=tuple(padding), in_height=sizes[0], in_width=sizes[1]
    )
    keeping = [level.name for level in hardware.levels if "inputs" in level.kept_tensors]
    named = rng.choice((None, None, *keeping))
    return layer, dataclasses.replace(hardware, padding="generated", padding_level=named)


def padded_problem(seed, most):
    """A problem of `random_problem`, or of `random_chip_problem`, with padding."""
    rng = random.Random(seed)
    while True:
        source = rng.choice((random_problem, random_problem, random_chip_problem))
        layer, hardware = source(rng.randrange(10**6), most)
        layer, hardware = padded(rng, layer, hardware, rng.choice((1, 1, 2, 4)))
        # Tiles may take less room than they would with padding: more of them fit.
        if any(layer.padding) and count_all(layer, hardware) <= 30 * most:
            return layer, hardware


def window_problem(seed, most):
    """A layer with large windows, which slide in many ways, on random hardware."""
    rng = random.Random(seed)
    while True:
        _, hardware = random_problem(rng.randrange(10**6), most=1000)
        if rng.random() < 0.7:
            hardware = dataclasses.replace(hardware, dataflow=Dataflow())
        sizes = {"P": rng.choice((2, 3, 4, 6)), "R": rng.choice((2, 3, 4, 5, 6))}
        if rng.random() < 0.3:
            sizes |= {"Q": rng.choice((2, 3)), "S": rng.choice((1, 2, 3))}
        sizes |= {rng.choice("MCN"): rng.choice((1, 2))}
        steps = (rng.choice((1, 1, 2)), 1), (rng.choice((1, 1, 2)), 1)
        layer, hardware = padded(rng, layer_of(sizes, *steps), hardware, 5)
        if any(layer.padding) and count_all(layer, hardware) <= most:
            return layer, hardware


def square_problem(seed, most):
    """A layer whose rows and columns are alike, with their padding, on random hardware."""
    rng = random.Random(seed)
    while True:
        _, hardware = random_problem(rng.randrange(10**6), most=1000)
        hardware = dataclasses.replace(hardware, dataflow=Dataflow(), padding="generated")
        size, kernel = rng.choice((2, 3, 4)), rng.choice((2, 3))
        sizes = {"P": size, "Q": size, "R": kernel, "S": kernel, rng.choice("MC"): 2}
        layer = layer_of(sizes, (rng.choice((1, 1, 2)),) * 2)
        before, behind = rng.choice(((1, 1), (1, 0), (2, 1)))
        image = layer.in_height - before - behind
        if image < 1:
            continue
        layer = dataclasses.replace(
            layer, padding=(before, behind) * 2, in_height=image, in_width=image
        )
        if count_all(layer, hardware) <= most:
            return layer, hardware
