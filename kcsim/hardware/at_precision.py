"""A hardware as a layer of other precision meets it."""

from __future__ import annotations

from dataclasses import replace

from kcsim.errors import InputError, Problem
from kcsim.hardware.schema import Hardware
from kcsim.workload.layer import ConvLayer


def at_precision(hardware: Hardware, layer: ConvLayer) -> Hardware:
    """The hardware with the widths of a layer.

    Words and memories stay as wide as they are; values are packed in them. A MAC, an addition and
    a multiplication take their share of full adders (`Hardware.full_adders`), and a sum that is
    given no width of its own stays as wide as that of the hardware, if outputs fit into it.

    Parameters
    ----------
    hardware : Hardware
    layer : ConvLayer
        See `ConvLayer.precision_bits`.

    Raises
    ------
    InputError
        If partial sums are narrower than outputs.
    """
    given = layer.precision_bits.given
    own = hardware.precision_bits
    if not given or all(getattr(own, name) == bits for name, bits in given.items()):
        return hardware
    precision = replace(own, **given)
    try:
        found = replace(hardware.with_given_words(), precision_bits=precision)
    except InputError as error:
        first = error.problems[0]
        problem = Problem(f"layer {layer.name!r}: {first.message}", first.expected)
        raise InputError(problem) from None
    compute = hardware.compute
    mac, multiply, add = (
        new / old for new, old in zip(found.full_adders, hardware.full_adders, strict=True)
    )
    scaled = replace(
        compute, mac_pj=compute.mac_pj * mac, gated_mac_pj=compute.gated_mac_pj * mac,
        add_pj=hardware.add_pj * add, multiply_pj=hardware.multiply_pj * multiply,
    )  # fmt: skip
    return replace(found, compute=scaled)
