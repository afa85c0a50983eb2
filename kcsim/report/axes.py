"""What plots on axes of matplotlib have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def in_words(name: str) -> str:
    """The name of a run as words."""
    return name.replace("share_", "share ")


def verbatim(name: str) -> str:
    """A name of which matplotlib makes no formula."""
    return name.replace("$", r"\$")


def axes_or_current(ax: Axes | None) -> Axes:
    """The axes to draw on."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.gca()


def turn_labels_that_meet(axis: Axes) -> None:
    """Turn the names of groups upright where they would run into each other."""
    labels = axis.get_xticklabels()
    longest = max(len(label.get_text()) for label in labels)
    # The legend takes up to half of the axes; letters are about 0.6 as wide as high.
    points = axis.bbox.width / axis.get_figure().dpi * 72 / 2  # type: ignore[union-attr]
    if len(labels) * (longest + 1) * 0.6 * float(labels[0].get_fontsize()) > points:
        axis.tick_params(axis="x", rotation=90)


def clear(axis: Axes) -> None:
    """A grid of lines to read heights from, and no frame."""
    axis.grid(axis="y", color="0.85", linewidth=0.6, zorder=0)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
