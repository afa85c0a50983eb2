"""``kcsim front``: all trade-offs of energy and cycles of a layer."""

from __future__ import annotations

from kcsim.cli.options import (
    Batch,
    Cluster,
    Even,
    Fix,
    Format,
    FrontPlot,
    HardwareFile,
    LayerName,
    Output,
    Overrides,
    Size,
    TimeLimit,
    ValueBits,
    Zeros,
)


def command(
    hw: HardwareFile,
    layer: LayerName,
    cluster: Cluster = None,
    batch: Batch = None,
    zeros: Zeros = None,
    precision: ValueBits = None,
    time_limit: TimeLimit = None,
    even: Even = False,
    fix: Fix = None,
    overrides: Overrides = None,
    format_: Format = None,
    plot: FrontPlot = None,
    size: Size = None,
    output: Output = None,
) -> None:
    """Find all mappings of a layer that no other beats in both energy and cycles."""
    from kcsim.cli.layers import read_fix, read_format, read_layer
    from kcsim.cli.running import (
        check_output,
        check_picture,
        choose_format,
        emit_json,
        show_as,
        waiting,
    )
    from kcsim.hardware.reader import load_hardware
    from kcsim.mapping.search import find_front
    from kcsim.report.search_data import front_table

    check_output(output, plot)
    check_picture(plot, size)
    chosen_format = choose_format(format_, output)
    hardware = load_hardware(hw, overrides or ())
    chosen, form = read_layer(layer, batch, zeros, precision), read_format(layer, hardware, cluster)
    fixed = read_fix(fix)
    with waiting():
        front = find_front(
            chosen, hardware, weights=form.costs(hardware), time_limit=time_limit, even=even,
            fix=fixed,
        )  # fmt: skip
    if plot:
        from kcsim.report.front_figure import plot_front
        from kcsim.report.pictures import COLUMN

        plot_front(chosen, hardware, front, plot, size or COLUMN)
    if chosen_format == "json":
        from kcsim.report.answer_records import front_to_dict

        emit_json(front_to_dict(chosen, hardware, front), output)
    else:
        show_as(chosen_format, output, [front_table(chosen, hardware, front)])
