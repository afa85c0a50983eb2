"""Why a network is executed as it is: its layers summed up in a few sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kcsim.estimation.reasons import Gathered, best_sharing, gathered, spill_of
from kcsim.estimation.result import Result
from kcsim.model.layer_estimate import LayerEstimate
from kcsim.workload.execution import SHARING_NAMES

_VERBS = {"decode": "decode", "share_products": "share products", "share_sums": "share sums",
          "dense": "stay dense"}  # fmt: skip


def why_network(result: Result) -> tuple[str, ...]:
    """Why ``auto`` executes the layers of a network as it does, in a sentence or a few.

    Parameters
    ----------
    result : Result
        Of `kcsim.compare_executions`.

    Returns
    -------
    tuple of str
        How many layers are executed in which way; then, where there are such layers, what sharing
        would take where they are decoded, where shared layers gather and why, and what is spilled.
    """
    layers = result.runs["auto"].layers
    return (
        _ways(layers), *_decoded(result), *_shared(layers), *_spilled(layers)
    )  # fmt: skip


def _ways(layers: Sequence[LayerEstimate]) -> str:
    found: dict[str, int] = {}
    for layer in layers:
        way = _VERBS[layer.execution]
        if layer.execution == "decode":
            way += f" at the {layer.decode_level}"
        found[way] = found.get(way, 0) + 1
    ways = sorted(found.items(), key=lambda item: -item[1])
    return f"Of {_counted(len(layers))}, " + ", ".join(f"{n} {way}" for way, n in ways) + "."


def _decoded(result: Result) -> Iterator[str]:
    """What sharing would take in layers that are decoded."""
    layers = result.runs["auto"].layers
    others = [
        other
        for i, layer in enumerate(layers)
        if layer.execution == "decode" and (other := best_sharing(result, i))
    ]
    if not others:
        return
    cycles = _range(other.cycles for other in others)
    text = f"In {_counted(len(others))} sharing would take "
    energies = [other.energy for other in others if other.energy is not None]
    tables = [other.tables for other in others if other.tables is not None]
    if energies:
        text += f"{_range(energies)}× the energy of decoding ({_range(tables)}× for its tables) "
        text += f"and {cycles}× the cycles"
    else:
        text += f"{cycles}× the cycles of decoding"
    spared = _range((100 * other.spared for other in others), "{:.0f}")
    yield f"{text}, and spare {spared} % of multiplies."


def _shared(layers: Sequence[LayerEstimate]) -> Iterator[str]:
    """Where tables are gathered, and why not further in."""
    groups: dict[tuple[str, str, str, bool, str], list[Gathered]] = {}
    for layer in layers:
        if layer.execution in SHARING_NAMES:
            each = gathered(layer)
            key = each.values, each.level, each.inner, each.is_ordered, each.home
            groups.setdefault(key, []).append(each)
    for (values, level, inner, is_ordered, home), found in groups.items():
        if is_ordered:
            yield f"Gathered one sum at a time at the {level}: {_counted(len(found))}."
            continue
        text = f"Gathered from tables of {_range((e.width for e in found), '{}')} {values} at the "
        text += f"{level}: {_counted(len(found))}"
        if inner:
            words, most = (_range(e, "{}") for e in zip(*((e.words, e.most) for e in found),
                                                        strict=True))  # fmt: skip
            text += f", as the {inner} has room for {most} of their {words} values"
        yield text + (f"; {values} are spilled to the {home}." if home else ".")


def _spilled(layers: Sequence[LayerEstimate]) -> Iterator[str]:
    spills = [spill for layer in layers if (spill := spill_of(layer))]
    if spills:
        values = _range((spill.values for spill in spills), "{}")
        levels = ", ".join(dict.fromkeys(spill.level for spill in spills))
        most = _range((spill.most for spill in spills), "{}")
        text = f"Spilled to the {levels}: codebooks of {values} values in {_counted(len(spills))}"
        yield f"{text}, as the store has room for {most}."


def _counted(layers: int) -> str:
    return f"{layers} layer{'' if layers == 1 else 's'}"


def _range(values: Iterable[float], shown: str = "{:.2f}") -> str:
    """One value, or the least and the largest."""
    known = list(values)
    least, largest = shown.format(min(known)), shown.format(max(known))
    return least if least == largest else f"{least} to {largest}"
