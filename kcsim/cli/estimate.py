"""``kcsim estimate``: a whole network, dense and clustered."""

from __future__ import annotations

from kcsim.cli.options import (
    Batch,
    Cluster,
    DecodeLevel,
    EnergyPlot,
    Even,
    Execution,
    Fixes,
    Format,
    HardwareFile,
    Imperfect,
    Layers,
    NetworkOfWeights,
    Objective,
    Output,
    Overrides,
    Size,
    TimeLimit,
    ValueBits,
    Weights,
    Zeros,
)


def command(
    hw: HardwareFile,
    network: NetworkOfWeights = None,
    cluster: Cluster = None,
    weights: Weights = None,
    execution: Execution = None,
    decode_level: DecodeLevel = None,
    batch: Batch = None,
    zeros: Zeros = None,
    precision: ValueBits = None,
    layers: Layers = None,
    objective: Objective = "edp",
    overrides: Overrides = None,
    format_: Format = None,
    output: Output = None,
    plot: EnergyPlot = None,
    size: Size = None,
    time_limit: TimeLimit = None,
    imperfect: Imperfect = False,
    even: Even = False,
    fix: Fixes = None,
) -> None:
    """Estimate energy, traffic, storage and cycles of a network on a hardware."""
    from kcsim.cli.running import (
        check_output,
        check_picture,
        choose_format,
        read_workload,
        refuse_imperfect,
        report,
        waiting,
    )  # fmt: skip
    from kcsim.errors import InputError, Problem
    from kcsim.estimation.estimate import estimate
    from kcsim.estimation.result import Result
    from kcsim.hardware.reader import load_hardware
    from kcsim.mapping.fixed_reader import read_fixes
    from kcsim.report.network_data import estimate_tables

    chosen_format = choose_format(format_, output)
    check_output(output, plot)
    check_picture(plot, size)
    if (execution or decode_level) and not (cluster or weights):
        problem = "--execution and --decode-level are for clustered weights"
        raise InputError(Problem(problem, "--cluster or --weights"))
    hardware = load_hardware(hw, overrides or ())
    chosen, clustered = read_workload(network, cluster, weights, zeros, layers, precision)
    refuse_imperfect(imperfect, fix)
    fixes = read_fixes(fix, chosen, is_part=bool(layers))
    with waiting(keeps=True) as progress:
        result = estimate(
            hardware, chosen, cluster, weights=clustered, batch=batch,
            objective=objective, time_limit=time_limit, progress=progress, imperfect=imperfect,
            execution=execution or "decode", decode_level=decode_level, even=even, fix=fixes,
        )  # fmt: skip
    if plot:
        from kcsim.report.energy_figure import plot_energy
        from kcsim.report.pictures import PAGE

        plot_energy(result, plot, size or PAGE)
    report(chosen_format, output, result, estimate_tables, Result.layer_rows)
