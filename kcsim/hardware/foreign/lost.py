"""What a hardware has that files of other tools have no key for."""

from __future__ import annotations

from collections.abc import Iterator

from kcsim.hardware.counted import Counted
from kcsim.hardware.level import Level
from kcsim.hardware.schema import Hardware
from kcsim.hardware.stalls import Stalls


def lost_of_chip(hardware: Hardware) -> Iterator[str]:
    """What of a whole chip is lost, in words."""
    bits = hardware.precision_bits
    for said, what in (
        (hardware.padding == "generated", "padding that a level generates: it is moved"),
        (hardware.biases == "counted", "biases"),
        (hardware.slides == "repeated", "which slides keep what windows cover"),
        (bits.partial_sums not in (None, bits.outputs), "partial sums wider than outputs"),
    ):
        if said:
            yield what


def lost_of_level(level: Level, *, has_ports: bool = False) -> Iterator[str]:
    """What of a level and of the network below it is lost, in words.

    Parameters
    ----------
    level : Level
    has_ports : bool
        Whether the files of the tool have ports by tensor and direction.
    """
    fanout, own = level.fanout, level.precision_bits
    widths = own.weights, own.inputs, own.outputs, own.partial_sums
    for said, what in (
        (any(widths), "widths of its own"),
        (level.port_list and not has_ports, "ports by tensor and direction"),
        (level.latency_cycles or fanout.hop_latency, "latencies"),
        (level.stalls != Stalls() or fanout.systolic, "cycles in which the array stands still"),
        (level.counted != Counted(), "first reads, drains and fills as they are counted"),
        (fanout.words_per_cycle is not None, "the bandwidth of its network"),
        (level.clock_pj_per_cycle, "the energy of its clock"),
    ):
        if said:
            yield f"{level.name}: {what}"
