"""Random hardware with what real chips have: widths, ports, stalls, passes, idle instances."""

from __future__ import annotations

import dataclasses
import random

from uneven_problems import random_problem

from kcsim.errors import InputError
from kcsim.hardware.counted import Counted
from kcsim.hardware.idle import Idle
from kcsim.hardware.level import LevelPrecision
from kcsim.hardware.port import Port
from kcsim.hardware.stalls import Stalls, Systolic
from kcsim.workload.layer import TENSORS

_RATES = (0.2, 0.5, 1.0, 2.0)


def random_chip_problem(seed, most):
    """A layer, and a hardware of `random_problem` with some of all that."""
    rng = random.Random(seed)
    layer, hardware = random_problem(seed, most)
    if rng.random() < 0.3:
        layer = dataclasses.replace(layer, bias=True)
    for change in (with_widths, with_ports, with_stalls, with_idle, with_counted):
        if rng.random() < 0.7:
            hardware = change(rng, hardware)
    return layer, hardware


def with_widths(rng, hardware):
    """Partial sums wider than outputs, and widths of some levels."""
    outputs = hardware.precision_bits.outputs
    wide = dataclasses.replace(
        hardware.precision_bits, partial_sums=outputs + rng.choice((4, 8, 16, 24))
    )
    levels = [level.with_given_words() for level in hardware.levels]
    for i, level in enumerate(levels):
        own = {t: rng.choice((4, 8, 16, 24)) for t in level.kept_tensors if rng.random() < 0.15}
        if "outputs" in level.kept_tensors and rng.random() < 0.2:
            own["partial_sums"] = rng.choice((16, 24, 32, outputs))
        levels[i] = dataclasses.replace(level, precision_bits=LevelPrecision(**own))
    try:
        return dataclasses.replace(hardware, levels=tuple(levels), precision_bits=wide)
    except InputError:
        # Some level would have partial sums narrower than outputs.
        return with_widths(rng, hardware)


def with_ports(rng, hardware):
    """Shared and listed ports, bandwidth of networks, latencies."""

    def changed(level):
        plain = {"read_words_per_cycle": None, "write_words_per_cycle": None}
        kind, keys = rng.random(), {}
        if kind < 0.25:
            rates = dict(zip(plain, (rng.choice(_RATES), rng.choice((None, *_RATES))), strict=True))
            keys = {"shared_port": True, **rates}
        elif kind < 0.4:
            keys = {"shared_bandwidth": rng.choice(_RATES), **plain}
        elif kind < 0.75:
            keys = {"ports": _ports(rng), **plain}
        if rng.random() < 0.3:
            keys["latency_cycles"] = rng.choice((1.0, 7.0, 100.0))
        if rng.random() < 0.3:
            bandwidth, latency = rng.choice((0.3, 1.0, 2.0)), rng.choice((0.0, 1.0))
            keys["fanout"] = dataclasses.replace(
                level.fanout, words_per_cycle=bandwidth, hop_latency=latency
            )
        return dataclasses.replace(level, **keys)

    return dataclasses.replace(hardware, levels=tuple(map(changed, hardware.levels)))


def _ports(rng):
    ports, taken = [], set()
    for _ in range(rng.choice((1, 2, 3))):
        tensors = tuple(rng.sample(TENSORS, rng.choice((1, 2, 3))))
        directions = rng.choice((("read",), ("write",), ("fill",), ("update",), ("read", "write")))
        port = Port(tensors=tensors, directions=directions, words_per_cycle=rng.choice(_RATES))
        if not taken & {*port.serves}:
            ports.append(port)
            taken |= {*port.serves}
    return tuple(ports)


def with_stalls(rng, hardware):
    """Loads, dumps and passes that are not hidden."""
    levels = list(hardware.levels)
    for i, level in enumerate(levels):
        kept, keys = level.kept_tensors, {}
        if kept and i and rng.random() < 0.6:
            waits = [t for t in ("weights", "outputs") if t in kept and rng.random() < 0.4]
            keys["stalls"] = Stalls(
                loads=tuple(t for t in kept if rng.random() < 0.4),
                dumps="outputs" in kept and rng.random() < 0.3,
                cycles_per_tile={tensor: float(rng.choice((1, 3, 8))) for tensor in waits},
            )
        below = levels[i + 1] if i + 1 < len(levels) else None
        stay = [
            t
            for t in ("weights", "outputs")
            if below and t in below.kept_tensors and t not in below.may_bypass
        ]
        if stay and rng.random() < 0.4:
            array = Systolic(
                stationary=rng.choice(stay), fill=rng.random() < 0.8, drain=rng.random() < 0.5
            )
            keys["fanout"] = dataclasses.replace(level.fanout, systolic=array)
        levels[i] = dataclasses.replace(level, **keys)
    return dataclasses.replace(hardware, levels=tuple(levels))


def with_counted(rng, hardware):
    """First reads, drains and fills as publications count them; energies of networks by tensor."""
    skips = "skip" in hardware.compute.zeros.values()

    def changed(level):
        counted = Counted(
            first_reads=not skips and rng.random() < 0.3, drains=rng.random() < 0.3,
            fills=rng.random() < 0.7,
        )  # fmt: skip
        prices = {t: rng.choice((0.0, 0.5, 3.0)) for t in TENSORS if rng.random() < 0.3}
        fanout = dataclasses.replace(level.fanout, tensor_pj=prices)
        return dataclasses.replace(level, counted=counted, fanout=fanout)

    return dataclasses.replace(hardware, levels=tuple(map(changed, hardware.levels)))


def with_idle(rng, hardware):
    """Leakage and clocks, of idle instances as well, and biases."""

    def idle():
        return Idle(leakage=rng.choice((0, 1, 0.1)), clock=rng.choice((0, 1, 0.5)))

    levels = tuple(
        dataclasses.replace(
            level, leakage_pj_per_cycle=rng.choice((0, 0.2, 4.0)),
            clock_pj_per_cycle=rng.choice((0, 0.3, 2.0)), idle=rng.choice((None, idle())),
        )
        for level in hardware.levels
    )  # fmt: skip
    compute = dataclasses.replace(hardware.compute, clock_pj_per_cycle=rng.choice((0, 0.5)))
    biases = rng.choice(("counted", "left_out"))
    return dataclasses.replace(hardware, levels=levels, compute=compute, idle=idle(), biases=biases)
