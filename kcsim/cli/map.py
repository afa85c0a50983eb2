"""``kcsim map``: the best mapping of a layer, and why it is the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcsim.cli.options import (
    AnswerFormat,
    Batch,
    Best,
    Cluster,
    Differ,
    Even,
    Fix,
    HardwareFile,
    Imperfect,
    LayerName,
    Loops,
    MappingPlot,
    Objective,
    Output,
    Overrides,
    Size,
    TimeLimit,
    ValueBits,
    Why,
    Zeros,
)

if TYPE_CHECKING:
    from kcsim.cost.weight_format import WeightFormat
    from kcsim.hardware.schema import Hardware
    from kcsim.report.answers_data import Answers
    from kcsim.workload.layer import ConvLayer


def command(
    hw: HardwareFile,
    layer: LayerName,
    cluster: Cluster = None,
    batch: Batch = None,
    zeros: Zeros = None,
    precision: ValueBits = None,
    objective: Objective = "edp",
    time_limit: TimeLimit = None,
    imperfect: Imperfect = False,
    even: Even = False,
    fix: Fix = None,
    best: Best = None,
    differ: Differ = None,
    why: Why = False,
    overrides: Overrides = None,
    loops: Loops = False,
    plot: MappingPlot = None,
    size: Size = None,
    format_: AnswerFormat = None,
    output: Output = None,
) -> None:
    """Find the best mapping of a layer, as YAML that 'kcsim evaluate' reads, with its proof.

    All mappings are searched whose bounds divide their dimension and that the dataflow allows: none
    of them is better. The output says so, or why it is not proved. Bounds that do not divide, which
    --imperfect adds, are all searched where there are few mappings.
    """
    from kcsim.cli.layers import mapping_file, read_fix, read_format, read_layer
    from kcsim.cli.running import check_ending, check_output, choose_format, emit, waiting
    from kcsim.hardware.reader import load_hardware
    from kcsim.model.best import map_layer
    from kcsim.report.mapping_text import mapping_text

    _check_options(imperfect, fix, best, differ, why, loops, plot, size, format_)
    check_output(output, plot)
    answers = best is not None or why
    if answers:
        choose_format(format_, output)
    else:
        check_ending(output, (".txt",) if loops else (".yaml", ".yml"))
    hardware = load_hardware(hw, overrides or ())
    chosen, form = read_layer(layer, batch, zeros, precision), read_format(layer, hardware, cluster)
    fixed = read_fix(fix)
    if answers:
        options = {"objective": objective, "time_limit": time_limit, "even": even, "fix": fixed}
        found = _answers(chosen, hardware, form, best or 2, differ or "spreads", why, options)
        _show(found, choose_format(format_, output), output)
        return
    with waiting(keeps=True):
        estimate = map_layer(
            chosen, hardware, form, objective=objective, time_limit=time_limit,
            imperfect=imperfect, even=even, fix=fixed,
        )  # fmt: skip
    if plot:
        from kcsim.report.mapping_figure import plot_mapping
        from kcsim.report.pictures import PAGE

        plot_mapping(estimate, plot, size or PAGE)
    emit(mapping_text(estimate) + "\n" if loops else mapping_file(estimate, objective), output)


def _check_options(
    imperfect: bool,
    fix: str | None,
    best: int | None,
    differ: str | None,
    why: bool,
    loops: bool,
    plot: str | None,
    size: str | None,
    format_: str | None,
) -> None:
    """Refuse options that do not go together."""
    from kcsim.cli.running import (
        check_picture,
        refuse_imperfect,
        refuse_together,
        refuse_unused,
    )  # fmt: skip

    asked = "--best" if best is not None else "--why" if why else ""
    answers = {asked: asked or None}
    refuse_imperfect(imperfect, fix)
    refuse_together({"--imperfect": imperfect, **answers}, "one of them: the rank is not proved")
    refuse_together({"--loops": loops, **answers}, "one of them: both say what is printed")
    refuse_together({"--plot": plot, **answers}, "one of them: a figure shows one mapping")
    if not asked:
        refuse_unused({"--format": format_}, "a mapping is written as YAML", "--best or --why")
    if best is None:
        refuse_unused({"--differ": differ}, "mappings are not compared", "--best")
    check_picture(plot, size)


def _answers(
    layer: ConvLayer,
    hardware: Hardware,
    form: WeightFormat,
    count: int,
    differ: str,
    why: bool,
    options: dict[str, Any],
) -> Answers:
    """Find the best mappings that differ, and why the best one is."""
    from kcsim.cli.running import waiting
    from kcsim.mapping.ranking import rank_mappings
    from kcsim.model.insight import explain_mapping
    from kcsim.report.answers_data import Answers

    with waiting(keeps=True):
        ranking = rank_mappings(
            layer, hardware, count, differ=differ, weights=form.costs(hardware), **options
        )
        insight = explain_mapping(layer, hardware, form, **options) if why else None
    return Answers(layer, hardware, options["objective"], differ, ranking, insight)


def _show(answers: Answers, format_: str, output: str | None) -> None:
    """Print answers, or write them to a file."""
    from kcsim.cli.running import emit_json, show_as
    from kcsim.report.answer_records import answers_to_dict
    from kcsim.report.answers_data import answer_tables

    if format_ == "json":
        emit_json(answers_to_dict(answers), output)
    else:
        show_as(format_, output, answer_tables(answers))
