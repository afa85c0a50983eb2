"""``kcsim networks``: the known networks, or the layers of one."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import text_argument


def command(
    network: Annotated[
        str | None, text_argument(metavar="[NETWORK]", help="A name or a YAML file.")
    ] = None,
    yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the network as a file to start from.")
    ] = False,
) -> None:
    """List the known networks, or print the layers of one."""
    from kcsim.workload import zoo
    from kcsim.workload.reader import load_network, network_to_yaml

    if network is None:
        from kcsim.cli.running import refuse_unused

        refuse_unused({"--yaml": yaml}, "no network is named", "a NETWORK beside it")
        for name in zoo.NAMES:
            known = zoo.load(name)
            typer.echo(
                f"{name:22s} {len(known):4d} layers {known.parameters:12,d} parameters "
                f"{known.macs:15,d} MACs"
            )
        return
    chosen = load_network(network)
    if yaml:
        typer.echo(network_to_yaml(chosen), nl=False)
        return
    from kcsim.cli.running import show
    from kcsim.report.unmodeled_data import operations_tables, unmodeled_tables
    from kcsim.report.workload_data import network_table

    tables = network_table(chosen), *operations_tables(chosen), *unmodeled_tables(chosen)
    show(tables, None)
