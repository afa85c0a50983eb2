"""What a sweep file holds, checked key by key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Problem
from kcsim.hardware.values import (
    STRICT,
    plain_errors,
)
from kcsim.reading.source import Document, in_file_order, read_yaml
from kcsim.reading.validation import validate, validate_data

Texts = Annotated[tuple[str, ...], Field(min_length=1)]
Objective = Literal["edp", "energy", "cycles"]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z_]\w*$")]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**31)]
Scalar = str | int | float | bool | None


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Sample:
    """Some points in place of all.

    Attributes
    ----------
    random, quasi_random : int, optional
        How many points: independent ones, or ones that cover the space evenly (Halton, 1960,
        shifted at random). One of the two is given.
    seed : int
    """

    random: Count | None = None
    quasi_random: Count | None = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        if (self.random is None) == (self.quasi_random is None):
            message = "a sample needs a number of points"
            raise InputError(Problem(message, "random or quasi_random, not both"))


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Search:
    """Optimization in place of all points.

    Attributes
    ----------
    minimize, maximize : tuple of str
        Columns of the table: two to four together.
    evaluations : int
        Points to evaluate at most.
    exact : bool
        Whether to go on until all other points are proved not to be on the front.
    population : int
        Points of a generation.
    seed : int
    prune : bool
        Whether to leave out points for which proved bounds show that others are better.
    """

    minimize: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    evaluations: Count = 200
    population: Annotated[int, Field(ge=2, le=10_000)] = 20
    seed: Seed = 0
    prune: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        wanted = (*self.minimize, *self.maximize)
        if not wanted:
            raise InputError(Problem("a search needs something to minimize", "minimize: [energy]"))
        if len(wanted) > 4 or len(set(wanted)) < len(wanted):
            raise InputError(Problem("a search has one to four goals, each once"))


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Retraining:
    """How every clustering of a space is retrained, in the words of ``kcsim retrain``.

    Attributes
    ----------
    data : str
        Images to train with; see `kcsim.retrain.command.Request` for this and all others.
    test, weights, model : str, optional
    test_limit, epochs, dense_epochs, reassign, reassign_until : int, optional
    method : str
    prune : str or float, optional
    lr, strength : float, optional
    precision, device : str, optional
    seeds : int
    mean, deviation : tuple of float, optional
    """

    data: str
    test: str | None = None
    test_limit: Count | None = None
    weights: str | None = None
    model: str | None = None
    method: Literal["none", "tied", "hard", "relaxed"] = "tied"
    prune: str | float | None = None
    epochs: Count | None = None
    dense_epochs: Count | None = None
    lr: Annotated[float, Field(gt=0)] | None = None
    strength: Annotated[float, Field(gt=0)] | None = None
    reassign: Count | None = None
    reassign_until: Count | None = None
    precision: Literal["float32", "bfloat16"] | None = None
    device: str | None = None
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None


@plain_errors
@dataclass(frozen=True, config=STRICT, kw_only=True)
class SpaceFile:
    """The keys of a sweep file; `kcsim.exploration.space.Space` makes points of them.

    Attributes
    ----------
    hardware : str or tuple of str
        Files, or bare names of shipped ones.
    networks : tuple of str
        Known networks, or files.
    batches : tuple of int
    clusterings : tuple of (str or None)
        As ``kernel:k=64,scope=layer``; ``none`` for dense weights. ``{name}`` stands for a
        parameter.
    weights : tuple of str
        Files of clustered weights, beside or in place of clusterings.
    executions, decode_levels : tuple of str
        Of clustered weights.
    zeros, precisions : tuple of (str or None)
        Shares of zeros and widths of values, as the options of ``kcsim estimate`` have them;
        ``none`` for those of the network and the hardware.
    objective : str or tuple of str
    even : bool
        Whether all tiles of a level change at the same place of the nest.
    imperfect : bool
        Whether bounds that do not divide their dimension are tried, too.
    fix : str, optional
        What of mappings is fixed: a file, or a folder with one for each layer.
    axes : dict
        Values by the path of a key of the hardware file.
    parameters : dict
        Values by a name that expressions and clusterings may use.
    derived : dict of str to str
        Expressions by name: further columns.
    set : dict
        Values by path that are the same for all points.
    constraints : tuple of str
        Expressions that are to hold.
    sample : Sample, optional
    search : Search, optional
    accuracy : str, optional
        A table of accuracies: CSV with the columns accuracy and any of the inputs.
    retrain : Retraining, optional
        How clusterings are retrained before they are evaluated; trained weights and accuracies of
        points come from that.
    time_limit : float, optional
        Seconds for the mapping of a layer.
    """

    hardware: str | Texts
    networks: Texts
    batches: tuple[Count, ...] = ()
    clusterings: Annotated[tuple[str | None, ...], Field(min_length=1)] = (None,)
    weights: tuple[str, ...] = ()
    executions: Texts = ("decode",)
    decode_levels: tuple[str | None, ...] = (None,)
    zeros: Annotated[tuple[str | None, ...], Field(min_length=1)] = (None,)
    precisions: Annotated[tuple[str | None, ...], Field(min_length=1)] = (None,)
    objective: Objective | Annotated[tuple[Objective, ...], Field(min_length=1)] = "edp"
    even: bool = False
    imperfect: bool = False
    fix: str | None = None
    axes: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[Name, Any] = Field(default_factory=dict)
    derived: dict[Name, str] = Field(default_factory=dict)
    set: dict[str, Scalar] = Field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    sample: Sample | None = None
    search: Search | None = None
    accuracy: str | None = None
    retrain: Retraining | None = None
    time_limit: Annotated[float, Field(gt=0)] | None = None

    def mapping_problems(self) -> Iterator[Problem]:
        """What does not go together with bounds that need not divide."""
        if self.imperfect and self.fix is not None:
            what = "what is fixed holds for bounds that divide"
            yield Problem(what, "'imperfect' or 'fix'", path=("imperfect",))
        if self.imperfect and self.search and (self.search.prune or self.search.exact):
            what = "lower bounds hold for mappings whose bounds divide"
            expected = "a search without 'prune' and 'exact', or no 'imperfect'"
            yield Problem(what, expected, path=("imperfect",))

    def retraining_problems(self) -> Iterator[Problem]:
        """What keeps a sweep from being retrained as a whole."""
        if self.retrain is None:
            return
        path = ("retrain",)
        if len(self.networks) > 1:
            what = "several networks cannot be retrained by one sweep"
            yield Problem(what, "one network", path=path)
        if self.accuracy is not None:
            what = "a table of accuracies is given, too"
            yield Problem(what, "'retrain' or 'accuracy'", path=path)
        if all(each in (None, "none") for each in self.clusterings):
            yield Problem("there is nothing to retrain", "clusterings beside 'none'", path=path)


@dataclass(frozen=True)
class Origin:
    """Where a space came from, to mark its problems there."""

    what: str
    document: Any = None
    folder: str = ""

    def marked(self, problems: list[Problem]) -> InputError:
        """The error with all problems, each at its place."""
        if isinstance(self.document, Document):
            found = [
                replace(p, mark=self.document.mark(p.path) if p.path else p.mark, path=())
                for p in problems
            ]
            return InputError(in_file_order(found))
        found = []
        for problem in problems:
            if problem.mark:
                found.append(replace(problem, path=()))
                continue
            steps = (f"[{s}]" if isinstance(s, int) else f".{s}" for s in problem.path)
            place = "".join(steps).removeprefix(".")
            message = f"{self.what}: " + (f"'{place}': " if place else "") + problem.message
            found.append(replace(problem, message=message, path=()))
        return InputError(found)


def read_space_file(space: str | os.PathLike[str] | dict[str, Any]) -> tuple[SpaceFile, Origin]:
    """The keys of a sweep file, or of what one would hold.

    Raises
    ------
    InputError
        With everything that is wrong.
    """
    if isinstance(space, dict):
        return validate_data(space, SpaceFile, what="space"), Origin("space")
    document = read_yaml(space)
    found = validate(document, SpaceFile, what="sweep file")
    return found, Origin("space", document, os.path.dirname(os.fspath(space)))
