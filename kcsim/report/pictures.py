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
# Okabe and Ito, "Color Universal Design", 2008; gray for black, so that edges stay visible.
COLORS = (
    "#0072B2", "#E69F00", "#009E73", "#F0E442", "#56B4E9", "#D55E00", "#CC79A7", "#999999",
)  # fmt: skip
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # paper checkers reject matplotlib's default, Type 3
    "svg.fonttype": "none",
    "svg.hashsalt": "kcsim",
}
# Dates would make two files of the same estimate differ.
_METADATA: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


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
