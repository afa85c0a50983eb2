"""``kcsim map``: the best mapping of a layer."""

from __future__ import annotations

from kcsim.cli.options import (
    Batch,
    Cluster,
    Even,
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
    Zeros,
)


def command(
    hw: HardwareFile,
    layer: LayerName,
    cluster: Cluster = None,
    batch: Batch = None,
    zeros: Zeros = None,
    objective: Objective = "edp",
    time_limit: TimeLimit = None,
    imperfect: Imperfect = False,
    even: Even = False,
    overrides: Overrides = None,
    loops: Loops = False,
    plot: MappingPlot = None,
    size: Size = None,
    output: Output = None,
) -> None:
    """Find the best mapping of a layer, as YAML that 'kcsim evaluate' reads, with its proof.

    All mappings are searched whose bounds divide their dimension and that the dataflow allows: none
    of them is better. The output says so, or why it is not proved. Bounds that do not divide, which
    --imperfect adds, are all searched where there are few mappings.
    """
    from kcsim.cli.layers import mapping_file, read_format, read_layer
    from kcsim.cli.running import check_ending, check_output, emit, refuse_unused, waiting
    from kcsim.hardware.reader import load_hardware
    from kcsim.model.best import map_layer
    from kcsim.report.mapping_text import mapping_text

    check_output(output, plot)
    check_ending(output, (".txt",) if loops else (".yaml", ".yml"))
    if plot:
        from kcsim.report.pictures import PAGE, check_plot_path, check_size

        check_plot_path(plot)
        check_size(size or PAGE)
    else:
        refuse_unused({"--size": size}, "nothing is drawn", "--plot")
    hardware = load_hardware(hw, overrides or ())
    chosen, form = read_layer(layer, batch, zeros), read_format(layer, hardware, cluster)
    with waiting(keeps=True):
        best = map_layer(
            chosen, hardware, form, objective=objective, time_limit=time_limit,
            imperfect=imperfect, even=even,
        )  # fmt: skip
    if plot:
        from kcsim.report.mapping_figure import plot_mapping

        plot_mapping(best, plot, size or PAGE)
    emit(mapping_text(best) + "\n" if loops else mapping_file(best, objective), output)
