"""Pictures as files: formats, style, and writing them whole."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.files import check_writable, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
COLORS = (
    "#16427A", "#E99B26", "#2A8C66", "#F7EA8F", "#8CCBEA", "#B23A1B", "#BC7FA7", "#26262B",
)  # fmt: skip
"""Told apart in gray as in color, by anyone: every two differ by 8 of 100 in lightness (L*)."""
SIZES = {"column": 3.5, "page": 7.16}
"""Widths of figures in inches: of one column of a paper, and of a page with two."""
PAGE, COLUMN = "page", "column"
TEXT = 8
"""Points of all texts, as printed: figures are not to be scaled."""
STYLE: dict[Any, Any] = {
    "font.size": TEXT,
    **dict.fromkeys(
        ("axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize",
         "legend.fontsize", "legend.title_fontsize", "figure.titlesize", "figure.labelsize"),
        TEXT,
    ),
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # paper checkers reject matplotlib's default, Type 3
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "kcsim",
}  # fmt: skip
# Dates would make two files of the same estimate differ.
_METADATA: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def check_size(size: str) -> float:
    """The width of a figure in inches.

    Parameters
    ----------
    size : str
        One of `SIZES`.

    Raises
    ------
    InputError
        If there is no such size.
    """
    if size not in SIZES:
        choices = " or ".join(f"{name} ({inches} in)" for name, inches in SIZES.items())
        raise InputError(Problem(f"there is no size '{size}'", choices, nearest(size, SIZES)))
    return SIZES[size]


def check_plot_path(path: str | os.PathLike[str]) -> str:
    """See whether a plot can be written to a file, before long work to produce it.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    str
        The format: ``png``, ``pdf`` or ``svg``.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        endings = [f".{name}" for name in FORMATS]
        raise InputError(
            Problem(
                f"cannot draw '{path}': its ending names no format of pictures",
                "one of " + ", ".join(endings),
                nearest(f".{ending}", endings),
            )
        )
    check_writable(path)
    return ending


def write_picture(
    path: str | os.PathLike[str], draw: Callable[[], Figure], **settings: Any
) -> None:
    """Draw a figure in the style of all plots, and write it whole or not at all.

    Parameters
    ----------
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``.
    draw : callable
        Gives the figure.
    **settings
        For `matplotlib.figure.Figure.savefig`.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    ending = check_plot_path(path)
    import matplotlib as mpl

    picture = io.BytesIO()
    with mpl.rc_context(STYLE):
        draw().savefig(picture, format=ending, metadata=_METADATA.get(ending), **settings)
    write_whole(path, picture.getvalue())
