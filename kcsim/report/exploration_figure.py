"""Figures of explorations as files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.exploration.answers import column_of, feasible, holding
from kcsim.exploration.exploration import Exploration
from kcsim.report import point_plots
from kcsim.report.pictures import COLUMN, STYLE, check_plot_path, check_size, write_picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NEEDS: dict[str, tuple[str, ...]] = {
    "scatter": ("x", "y"), "lines": ("x", "y"), "u-curve": ("x",), "ski-slope": ("x",),
    "heat-map": ("x", "y"), "sensitivity": (),
}  # fmt: skip
_TAKES: dict[str, tuple[str, ...]] = {
    "scatter": ("color", "front"), "lines": ("color",), "u-curve": ("y", "color"),
    "ski-slope": ("y", "color"), "heat-map": ("value",), "sensitivity": ("y",),
}  # fmt: skip
_HEIGHT, _PANEL, _ROW = 2.5, 2.0, 0.35


@dataclass(frozen=True)
class Picture:
    """What a figure shows.

    Attributes
    ----------
    kind : str
        ``scatter``, ``lines``, ``u-curve``, ``ski-slope``, ``heat-map`` or ``sensitivity``.
    x, y, color, value, by : str, optional
        Columns; see the functions of `kcsim.plot`.
    front : bool
    where : tuple of str
        Expressions that hold for the points that are shown.
    size : {"column", "page"}
    height : float, optional
        In inches.
    """

    kind: str = "scatter"
    x: str | None = None
    y: str | None = None
    color: str | None = None
    front: bool = False
    value: str | None = None
    by: str | None = None
    where: tuple[str, ...] = ()
    size: str = COLUMN
    height: float | None = None

    def check(self) -> None:
        """Raise an InputError if something is missing, or would be without effect."""
        if self.kind not in _NEEDS:
            expected = "one of " + ", ".join(_NEEDS)
            near = nearest(self.kind, _NEEDS)
            raise InputError(Problem(f"there is no kind of plot '{self.kind}'", expected, near))
        check_size(self.size)
        for name in ("x", "y", "color", "front", "value"):
            is_given = getattr(self, name) not in (None, False)
            if name in _NEEDS[self.kind] and not is_given:
                raise InputError(Problem(f"--{name} is missing", f"a column, as --{name} energy"))
            if is_given and name not in (*_NEEDS[self.kind], *_TAKES[self.kind]):
                raise InputError(f"--{name} has no effect here: a {self.kind} has none")


def plot_exploration(
    found: Exploration, picture: Picture, path: str | os.PathLike[str] | None = None
) -> str:
    """Draw points of an exploration into a file.

    Parameters
    ----------
    found : Exploration
    picture : Picture
    path : str or path, optional
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; a PDF in the folder when absent.

    Returns
    -------
    str
        The file.

    Raises
    ------
    InputError
        If a column is unknown, or the file cannot be written.
    """
    picture.check()
    names = [picture.kind, picture.y, picture.value, picture.x, picture.color, picture.by]
    words = re.sub(r"[^\w.]+", "-", "-".join(name for name in names if name))
    file = os.fspath(found.folder / f"{words}.pdf" if path is None else path)
    check_plot_path(file)
    frame = found.points()
    attributes = dict(frame.attrs)
    frame = holding(feasible(frame), picture.where)
    if not len(frame):
        raise InputError(f"no point holds {' and '.join(map(repr, picture.where))}")
    frame.attrs = attributes
    write_picture(file, lambda: draw_points(frame, picture), dpi=200)
    return file


def draw_points(frame: pd.DataFrame, picture: Picture) -> Figure:
    """Draw points; see `plot_exploration`.

    Parameters
    ----------
    frame : pandas.DataFrame
    picture : Picture
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width = check_size(picture.size)
    columns = 2 if picture.size == COLUMN else 3

    def draw(part: pd.DataFrame, axis: Axes) -> Any:
        return _drawn(part, picture, axis)

    with mpl.rc_context(STYLE):
        height = picture.height or _HEIGHT
        if picture.by:
            panels = len(frame[column_of(frame, picture.by)].drop_duplicates())
            rows = -(-panels // columns)
            height = picture.height or rows * _PANEL + _ROW
        figure = Figure(figsize=(width, height), layout="constrained")
        if picture.by:
            point_plots.small_multiples(frame, picture.by, draw, figure, columns)
        else:
            draw(frame, figure.subplots())
    return figure


def _drawn(frame: pd.DataFrame, picture: Picture, axis: Axes) -> Any:
    """Draw one kind of plot."""
    x, y, color = picture.x or "", picture.y, picture.color
    if picture.kind == "scatter":
        return point_plots.scatter(frame, x, y or "", color, front=picture.front, ax=axis)
    if picture.kind == "lines":
        return point_plots.lines(frame, x, y or "", color, ax=axis)
    if picture.kind == "u-curve":
        return point_plots.u_curve(frame, x, y or "energy", color, ax=axis)
    if picture.kind == "ski-slope":
        return point_plots.ski_slope(frame, x, y or "outermost_traffic_bits", color, ax=axis)
    if picture.kind == "heat-map":
        return point_plots.heat_map(frame, x, y or "", picture.value or "energy", ax=axis)
    return point_plots.sensitivity(frame, y or "energy", ax=axis)
