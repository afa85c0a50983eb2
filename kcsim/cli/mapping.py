"""``kcsim map``: the best mapping of a layer, or of every layer of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kcsim.cli.options import (
    Batch,
    Format,
    HardwareFile,
    Layers,
    Objective,
    Output,
    Overrides,
    TimeLimit,
    Zeros,
    text_option,
)

if TYPE_CHECKING:
    from kcsim.cost.weight_format import WeightFormat
    from kcsim.estimation.result import Result
    from kcsim.hardware.schema import Hardware
    from kcsim.model.layer_estimate import LayerEstimate
    from kcsim.workload.layer import ConvLayer
    from kcsim.workload.network import Network

LayerName = Annotated[
    str | None,
    text_option(
        "--layer", metavar="LAYER", help="NETWORK/LAYER, as alexnet/conv3, or a YAML file."
    ),
]
NetworkName = Annotated[
    str | None,
    text_option("--network", "-n", metavar="NETWORK", help="Map all its layers instead."),
]
Cluster = Annotated[
    str | None,
    text_option("--cluster", metavar="SCHEME", help="Clustered weights, as scalar:k=16."),
]
Loops = Annotated[
    bool, typer.Option("--loops", help="Print the loop nest and its tiles instead of YAML.")
]
Plot = Annotated[
    str | None,
    text_option("--plot", metavar="FILE", help="Draw the nest, its tiles and where energy goes."),
]
Front = Annotated[
    bool,
    typer.Option("--front", help="All trade-offs of energy and cycles instead of one mapping."),
]
Imperfect = Annotated[
    bool, typer.Option("--imperfect", help="Also try bounds that do not divide their dimension.")
]
Save = Annotated[
    str | None,
    text_option("--save", metavar="FOLDER", help="With --network: a mapping file for each layer."),
]


def command(
    hw: HardwareFile,
    layer: LayerName = None,
    network: NetworkName = None,
    layers: Layers = None,
    cluster: Cluster = None,
    batch: Batch = None,
    zeros: Zeros = None,
    objective: Objective = None,
    time_limit: TimeLimit = None,
    imperfect: Imperfect = False,
    overrides: Overrides = None,
    loops: Loops = False,
    front: Front = False,
    plot: Plot = None,
    save: Save = None,
    format_: Format = None,
    output: Output = None,
) -> None:
    """Find the best mapping of a layer, as YAML that 'kcsim evaluate' reads, with its proof.

    The whole map space that the dataflow leaves is searched: no mapping of it is better. With
    --network, the mappings of all layers, one line each.
    """
    from kcsim.cli.running import check_output
    from kcsim.errors import InputError, Problem
    from kcsim.hardware.reader import load_hardware

    if (layer is None) == (network is None):
        raise InputError(Problem("--layer and --network say what to map", "one of them"))
    if network and (loops or front or plot or imperfect):
        raise InputError(
            Problem("--loops, --front, --plot and --imperfect are for one layer", "--layer")
        )
    if layer and (save or layers):
        raise InputError(Problem("--save and --layers are for a network", "--network"))
    if front:
        _check_front(objective, imperfect, loops, plot)
    check_output(output, plot)
    chosen_format = _format(format_, output, is_table=bool(network or front), loops=loops)
    objective = objective or "edp"
    if plot:
        from kcsim.report.pictures import check_plot_path

        check_plot_path(plot)
    hardware = load_hardware(hw, overrides or ())
    if network:
        chosen = _network(network, zeros, layers)
        found = _estimate(chosen, hardware, cluster, batch, objective, time_limit)
        _show_network(found, objective, save, chosen_format, output)
        return
    single, form = _layer(layer or "", hardware, cluster, batch, zeros)
    if front:
        _show_front(single, hardware, form, time_limit, chosen_format, output)
    else:
        best = _map(single, hardware, form, objective, time_limit, imperfect)
        _show_layer(best, objective, plot, loops, output)


def _check_front(objective: str | None, imperfect: bool, loops: bool, plot: str | None) -> None:
    from kcsim.cli.running import refuse_unused

    given = {
        "--objective": objective,
        "--imperfect": imperfect,
        "--loops": loops,
        "--plot": plot,
    }
    reason = "--front lists the energy and the cycles of all mappings that no other beats in both"
    refuse_unused(given, reason, "either")


def _format(format_: str | None, output: str | None, *, is_table: bool, loops: bool) -> str:
    """The format of a table; of one mapping, the ending of its file is checked."""
    from kcsim.cli.running import check_ending, choose_format, refuse_unused
    from kcsim.errors import InputError, Problem

    if not is_table:
        reason = "a loop nest is a text" if loops else "a mapping is YAML"
        refuse_unused({"--format": format_}, reason, "--network or --front for tables")
        check_ending(output, (".txt",) if loops else (".yaml", ".yml"))
        return "table"
    chosen = choose_format(format_, output)
    if chosen == "json":
        raise InputError(Problem("this result has no JSON form", "table, csv, markdown or latex"))
    return chosen


def _estimate(
    network: Network,
    hardware: Hardware,
    cluster: str | None,
    batch: int | None,
    objective: str,
    time_limit: float | None,
) -> Result:
    from kcsim.cli.running import waiting
    from kcsim.estimation.estimate import estimate

    with waiting(keeps=True) as progress:
        return estimate(
            hardware, network, cluster, batch=batch, objective=objective, time_limit=time_limit,
            progress=progress,
        )  # fmt: skip


def _map(
    layer: ConvLayer,
    hardware: Hardware,
    form: WeightFormat,
    objective: str,
    time_limit: float | None,
    imperfect: bool,
) -> LayerEstimate:
    from kcsim.cli.running import waiting
    from kcsim.model.evaluate import map_layer

    with waiting(keeps=True):
        return map_layer(
            layer, hardware, form, objective=objective, time_limit=time_limit, imperfect=imperfect
        )


def _show_network(
    found: Result, objective: str, save: str | None, format_: str, output: str | None
) -> None:
    from kcsim.cli.running import show_as
    from kcsim.report.search_data import search_table

    if save:
        _save(found, objective, save)
    show_as(format_, output, [search_table(run, objective) for run in found.runs.values()])


def _show_front(
    layer: ConvLayer,
    hardware: Hardware,
    form: WeightFormat,
    time_limit: float | None,
    format_: str,
    output: str | None,
) -> None:
    from kcsim.cli.running import show_as, waiting
    from kcsim.mapping.search import find_front
    from kcsim.report.search_data import front_table

    with waiting():
        front = find_front(layer, hardware, weights=form.costs(hardware), time_limit=time_limit)
    show_as(format_, output, [front_table(layer, hardware, front)])


def _show_layer(
    best: LayerEstimate, objective: str, plot: str | None, loops: bool, output: str | None
) -> None:
    from kcsim.cli.running import emit

    if plot:
        from kcsim.report.mapping_figure import plot_mapping

        plot_mapping(best, plot)
    if loops:
        from kcsim.report.mapping_text import mapping_text

        emit(mapping_text(best) + "\n", output)
    else:
        emit(_mapping_file(best, objective), output)


def _network(name: str, zeros: str | None, layers: list[str] | None) -> Network:
    from kcsim.workload.reader import load_network
    from kcsim.workload.zeros_reader import network_with_zeros

    chosen = load_network(name)
    chosen = chosen if zeros is None else network_with_zeros(chosen, zeros)
    return chosen.select(layers) if layers else chosen


def _layer(
    name: str, hardware: Hardware, cluster: str | None, batch: int | None, zeros: str | None
) -> tuple[ConvLayer, WeightFormat]:
    from kcsim.clustering.resolve import check_units, resolve_network, settings_of
    from kcsim.clustering.spec import parse_clustering
    from kcsim.cost.weight_format import weight_formats
    from kcsim.workload.reader import select_layer
    from kcsim.workload.zeros_reader import layer_with_zeros

    network = select_layer(name)
    chosen = network.layers[0]
    chosen = chosen if batch is None else chosen.with_batch(batch)
    chosen = chosen if zeros is None else layer_with_zeros(chosen, zeros)
    clustering = None
    if cluster:
        clustering = settings_of(network, parse_clustering(cluster))
        check_units(resolve_network([chosen], clustering))
    return chosen, weight_formats([chosen], hardware, clustering)[0]


def _mapping_file(found: LayerEstimate, objective: str) -> str:
    from kcsim.report.search_data import search_comment

    assert found.search is not None
    hardware = found.counts.hardware
    return search_comment(found.layer, hardware, objective, found.search) + found.mapping.to_yaml()


def _save(result: Result, objective: str, folder: str) -> None:
    """Write ``LAYER.yaml`` for every layer; of clustered weights, ``LAYER.clustered.yaml`` too."""
    from pathlib import Path

    from kcsim.errors import InputError
    from kcsim.reading.files import write_whole

    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{folder}': {error.strerror}") from error
    for run in result.runs.values():
        ending = ".yaml" if run.clustering is None else ".clustered.yaml"
        for found in run.layers:
            name = found.layer.name.replace("/", ".") + ending
            write_whole(Path(folder) / name, _mapping_file(found, objective))
