"""``kcsim retrain``: clustered weights, retrained, and what they recognize."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kcsim.cli.options import (
    AccuracyTable,
    ChannelDeviations,
    Channels,
    ClusterToRetrain,
    DenseEpochs,
    Device,
    Epochs,
    LearningRate,
    Method,
    ModelFactory,
    NetworkName,
    Precision,
    PrintedFormat,
    Prune,
    Reassign,
    ReassignUntil,
    RetrainedOutput,
    Seeds,
    Strength,
    TestImages,
    TestLimit,
    TrainedOrNone,
    TrainingImages,
)

if TYPE_CHECKING:
    from kcsim.retrain.command import Request


def command(
    network: NetworkName,
    data: TrainingImages,
    cluster: ClusterToRetrain,
    weights: TrainedOrNone = None,
    model: ModelFactory = None,
    test: TestImages = None,
    test_limit: TestLimit = None,
    method: Method = "tied",
    prune: Prune = None,
    epochs: Epochs = None,
    dense_epochs: DenseEpochs = None,
    lr: LearningRate = None,
    strength: Strength = None,
    reassign: Reassign = None,
    reassign_until: ReassignUntil = None,
    precision: Precision = None,
    device: Device = None,
    seeds: Seeds = 1,
    mean: Channels = None,
    deviation: ChannelDeviations = None,
    output: RetrainedOutput = None,
    table: AccuracyTable = None,
    format_: PrintedFormat = "table",
) -> None:
    """Cluster trained weights, retrain them, and measure accuracy before and after.

    A run that was interrupted goes on from the checkpoints beside its output when it is started
    again in the same way.
    """
    from kcsim.cli.running import (
        check_ending,
        check_output,
        choose_format,
        report,
        waiting,
    )  # fmt: skip
    from kcsim.report.accuracy_data import retrained_tables
    from kcsim.retrain.command import Request, add_line, prepare, read_table, run
    from kcsim.retrain.compress import remove_checkpoints
    from kcsim.weights.clustered_writer import save_clustered

    chosen_format = choose_format(format_, None)
    check_ending(output, (".safetensors",))
    check_output(output)
    check_output(table)
    request = Request(
        network, data, cluster, weights, model, test, test_limit, method, prune, epochs,
        dense_epochs, lr, strength, reassign, reassign_until, precision, device, seeds, mean,
        deviation, output,
    )  # fmt: skip
    _refuse_unused(request)
    read_table(table)
    prepared = prepare(request)
    with waiting("training the dense network") as progress:
        prepared.train_dense(progress)
    with waiting("retraining") as progress:
        result = run(prepared, progress)
    if output is not None:
        save_clustered(result, output)
        remove_checkpoints(output, range(seeds))
    if table is not None:
        add_line(table, result)
    report(chosen_format, None, result, retrained_tables)


def _refuse_unused(request: Request) -> None:
    from kcsim.cli.running import refuse_unused

    for given, reason in _unused(request):
        refuse_unused(given, reason)


def _unused(request: Request) -> Iterator[tuple[dict[str, object], str]]:
    """Options that mean nothing to a method or to each other, and why."""
    method = request.method
    if method == "none":
        given: dict[str, object] = {"--epochs": request.epochs, "--lr": request.lr}
        yield given, "nothing is retrained by --method none"
    if method != "tied":
        yield {"--reassign": request.reassign}, f"no weights are tied by --method {method}"
    if request.reassign is None:
        yield {"--reassign-until": request.reassign_until}, "there is no --reassign"
    if method not in ("hard", "relaxed"):
        yield {"--strength": request.strength}, f"there is no penalty in --method {method}"
    if request.weights is not None:
        yield {"--dense-epochs": request.dense_epochs}, "--weights are trained already"
