"""``kcsim map-network``: the best mapping of every layer of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcsim.cli.options import (
    Batch,
    Cluster,
    Even,
    Fixes,
    HardwareFile,
    Imperfect,
    Layers,
    NetworkName,
    Objective,
    Output,
    Overrides,
    Save,
    TableFormat,
    TimeLimit,
    ValueBits,
    Zeros,
)

if TYPE_CHECKING:
    from kcsim.estimation.result import Result


def command(
    hw: HardwareFile,
    network: NetworkName,
    layers: Layers = None,
    cluster: Cluster = None,
    batch: Batch = None,
    zeros: Zeros = None,
    precision: ValueBits = None,
    objective: Objective = "edp",
    time_limit: TimeLimit = None,
    imperfect: Imperfect = False,
    even: Even = False,
    fix: Fixes = None,
    overrides: Overrides = None,
    save: Save = None,
    format_: TableFormat = None,
    output: Output = None,
) -> None:
    """Find the best mappings of all layers of a network, one line each, with their proof."""
    from kcsim.cli.running import (
        check_output,
        choose_format,
        read_workload,
        refuse_imperfect,
        show_as,
        tell_unmodeled,
        waiting,
    )
    from kcsim.estimation.estimate import estimate
    from kcsim.hardware.reader import load_hardware
    from kcsim.mapping.fixed_reader import read_fixes
    from kcsim.report.search_data import search_table

    check_output(output)
    chosen_format = choose_format(format_, output, has_json=False)
    hardware = load_hardware(hw, overrides or ())
    chosen, _ = read_workload(network, cluster, None, zeros, layers, precision)
    refuse_imperfect(imperfect, fix)
    fixes = read_fixes(fix, chosen, is_part=bool(layers))
    with waiting(keeps=True) as progress:
        found = estimate(
            hardware, chosen, cluster, batch=batch, objective=objective, time_limit=time_limit,
            progress=progress, even=even, fix=fixes, imperfect=imperfect,
        )  # fmt: skip
    if save:
        _save(found, objective, save)
    show_as(chosen_format, output, [search_table(run, objective) for run in found.runs.values()])
    tell_unmodeled(found)


def _save(found: Result, objective: str, folder: str) -> None:
    """Write ``LAYER.yaml`` for every layer; of clustered weights, ``LAYER.clustered.yaml`` too."""
    from pathlib import Path

    from kcsim.cli.layers import mapping_file
    from kcsim.errors import InputError
    from kcsim.reading.files import write_whole

    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{folder}': {error.strerror}") from error
    for run in found.runs.values():
        ending = ".yaml" if run.clustering is None else ".clustered.yaml"
        for layer in run.layers:
            name = layer.layer.name.replace("/", ".") + ending
            write_whole(Path(folder) / name, mapping_file(layer, objective))
