"""``kcsim answer``: what the points of an exploration say, as tables."""

from __future__ import annotations

from typing import Annotated

from kcsim.cli.options import Output, TableFormat, text_option
from kcsim.cli.plot import Folder, Where

Minimize = Annotated[
    str | None,
    text_option("--front COLUMNS", "Points that no other betters in all, as energy,area_mm2."),
]
Best = Annotated[str | None, text_option("--best COLUMN", "The point with the least of this.")]
Each = Annotated[
    str | None, text_option("--each COLUMNS", "With --best: the best for each value of these.")
]
Sensitivity = Annotated[
    str | None, text_option("--sensitivity COLUMN", "Which inputs matter to this, by how much.")
]
BreakEven = Annotated[
    str | None,
    text_option(
        "--break-even COLUMN",
        "From which value of this on the second of --between is better than the first.",
    ),
]
Between = Annotated[
    str | None,
    text_option(
        "--between COLUMN=A,B",
        "As execution=decode,share_products. [default: each execution against decode]",
    ),
]
Of = Annotated[
    str | None, text_option("--of COLUMN", "What --break-even compares. [default: energy]")
]


def command(
    folder: Folder,
    front: Minimize = None,
    best: Best = None,
    each: Each = None,
    sensitivity: Sensitivity = None,
    break_even: BreakEven = None,
    between: Between = None,
    of: Of = None,
    where: Where = None,
    format_: TableFormat = None,
    output: Output = None,
) -> None:
    """Say what an exploration has found: the front, the best, what matters, where ways meet.

    Without a question, all points are listed.
    """
    from kcsim.cli.running import check_output, choose_format, refuse_unused, show_as
    from kcsim.errors import InputError, Problem
    from kcsim.exploration.exploration import load_exploration
    from kcsim.report.exploration_data import Question, answer_tables

    check_output(output)
    chosen = choose_format(format_, output, has_json=False)
    asked = [name for name in (front, best, sensitivity, break_even) if name]
    if len(asked) > 1:
        problem = "several questions are asked"
        raise InputError(Problem(problem, "one of --front, --best, --sensitivity, --break-even"))
    if not best:
        refuse_unused({"--each": each}, "nothing is chosen", "--best")
    if not break_even:
        refuse_unused({"--between": between, "--of": of}, "nothing is compared", "--break-even")
    question = Question(
        front=_parts(front), best=best, each=_parts(each), sensitivity=sensitivity,
        break_even=break_even, between=between, of=of or "energy", where=tuple(where or ()),
        joined=chosen == "csv",
    )  # fmt: skip
    show_as(chosen, output, answer_tables(load_exploration(folder), question))


def _parts(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()
