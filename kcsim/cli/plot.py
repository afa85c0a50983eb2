"""``kcsim plot``: figures of an exploration."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import Size, text_argument, text_option

Folder = Annotated[
    str, text_argument(metavar="FOLDER", help="Of an exploration, from 'kcsim explore -o'.")
]
Kind = Annotated[
    str,
    text_option("--kind NAME", "scatter, lines, u-curve, ski-slope, heat-map or sensitivity."),
]
X = Annotated[str | None, text_option("--x COLUMN", "What goes across, as area_mm2.")]
Y = Annotated[
    str | None, text_option("--y COLUMN", "What goes up, as energy; of a heat map a parameter.")
]
Value = Annotated[
    str | None, text_option("--value COLUMN", "What shades of a heat map tell. [default: energy]")
]
Color = Annotated[str | None, text_option("--color COLUMN", "What colors and marks tell.")]
Front = Annotated[
    bool, typer.Option("--front", help="Draw the front of what no other point betters.")
]
By = Annotated[str | None, text_option("--by COLUMN", "A panel for each value of this.")]
Where = Annotated[
    list[str] | None,
    text_option("--where EXPRESSION", "Only these points, as 'area_mm2 <= 5'. Repeatable."),
]
Picture = Annotated[
    str | None,
    text_option("-o --output FILE", "png, pdf or svg. [default: a pdf in FOLDER]"),
]
Height = Annotated[
    float | None, typer.Option("--height", metavar="INCHES", help="Of the figure.", min=0.5, max=40)
]


def command(
    folder: Folder,
    x: X = None,
    y: Y = None,
    color: Color = None,
    front: Front = False,
    kind: Kind = "scatter",
    value: Value = None,
    by: By = None,
    where: Where = None,
    size: Size = None,
    height: Height = None,
    output: Picture = None,
) -> None:
    """Draw the points of an exploration: trade-offs, curves, maps, what matters."""
    from kcsim.exploration.exploration import load_exploration
    from kcsim.report.exploration_figure import Picture as Drawn
    from kcsim.report.exploration_figure import plot_exploration
    from kcsim.report.pictures import COLUMN

    wanted = Drawn(
        kind, x=x, y=y, color=color, front=front, value=value, by=by, where=tuple(where or ()),
        size=size or COLUMN, height=height,
    )  # fmt: skip
    typer.echo(plot_exploration(load_exploration(folder), wanted, output))
