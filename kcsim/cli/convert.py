"""``kcsim convert``: files of one tool as files of another."""

from __future__ import annotations

from typing import Annotated

from kcsim.cli.options import text_argument, text_option

Source = Annotated[
    str,
    text_argument(
        metavar="IN",
        help="A file of Timeloop, ZigZag, SCALE-Sim, ONNX or kcsim; NETWORK/LAYER; the name of a "
        "network or a shipped hardware file.",
    ),
]
Target = Annotated[str, text_argument(metavar="OUT", help="The file to write.")]
To = Annotated[
    str, text_option("--to NAME", "kcsim, timeloop (0.4), timeloop-0.3, zigzag or scale-sim.")
]
HardwareOfMapping = Annotated[
    str | None, text_option("--hw FILE", "The hardware of a mapping, of either tool.")
]
LayerOfMapping = Annotated[
    str | None, text_option("--layer LAYER", "The layer of a mapping, or its problem file.")
]
Constraints = Annotated[
    str | None, text_option("--constraints FILE", "Constraints of Timeloop beside IN.")
]
EnergyUnit = Annotated[str, text_option("--energy-unit NAME", "Of the costs of ZigZag: pJ or MAC.")]


def command(
    source: Source,
    target: Target,
    to: To = "kcsim",
    hw: HardwareOfMapping = None,
    layer: LayerOfMapping = None,
    constraints: Constraints = None,
    energy_unit: EnergyUnit = "pJ",
) -> None:
    """Convert hardware, mappings, layers and networks from and to files of other tools."""
    from kcsim.cli.running import check_output, emit
    from kcsim.cli.streams import say
    from kcsim.mapping.foreign.convert import convert

    check_output(target)
    made = convert(
        source, to, hardware=hw, layer=layer, constraints=constraints, energy_unit=energy_unit
    )
    emit(made.text, target)
    for each in made.lost:
        say(f"kcsim: not carried over, or assumed: {each}")
