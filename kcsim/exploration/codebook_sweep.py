"""A sweep file about one codebook: over its entries, ways to execute it, and the buffer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kcsim.clustering.resolve import check_units, resolve_network
from kcsim.clustering.spec import parse_clustering
from kcsim.errors import InputError, Problem
from kcsim.hardware.schema import Hardware
from kcsim.reading.source import parse_yaml
from kcsim.workload.network import Network
from kcsim.workload.reader import load_network

_ENTRIES = re.compile(r"\bk=(\d+)")
_STEPS, _MOST = 3, 4096
_LISTS = ("batches", "zeros", "precisions")


def codebook_sweep(
    hardware: Hardware,
    clustering: str,
    *,
    hardware_file: str,
    network: str,
    objective: str = "edp",
    overrides: Sequence[str] = (),
    demanded: Mapping[str, Any] | None = None,
) -> str:
    """The text of a sweep that answers when a codebook pays, and when sharing does.

    Parameters
    ----------
    hardware : Hardware
    clustering : str
        With entries, as ``kernel:k=16``: they are halved and doubled some times.
    hardware_file, network : str
        As in a sweep file.
    objective : str
    overrides : sequence of str
        Of the hardware, as ``levels.buffer.read_pj=12``.
    demanded : mapping of str to object, optional
        Of what else estimates depend on: ``batches``, ``zeros``, ``precisions``, ``even``,
        ``imperfect``, ``time_limit``; one value each, ``None`` or false where nothing is said.

    Returns
    -------
    str
        YAML; see `kcsim.explore`.

    Raises
    ------
    InputError
        If the clustering does not say how many entries there are, in one place, or the network is
        not known.
    """
    entries = {int(number) for number in _ENTRIES.findall(clustering)}
    if len(entries) != 1:
        raise InputError(
            Problem(
                f"a sweep over entries needs one number of them: {clustering}", "as kernel:k=16"
            )
        )
    (given,) = entries
    template = _ENTRIES.sub("k={k}", clustering)
    numbers = {given * 2**i // 2**_STEPS for i in range(2 * _STEPS + 1)}
    known = load_network(network)
    shown = ", ".join(
        str(n) for n in sorted(numbers) if n == given or _is_served(template, n, known)
    )
    lines = [
        "# When does the codebook pay, and when does sharing? Over entries and the buffer.",
        f"hardware: {_text(hardware_file)}",
        f"networks: [{_text(network)}]",
        f"parameters: {{k: [{shown}]}}",
        f"clusterings: [none, {_text(template)}]",
        "executions: [decode, share_products, share_sums]",
        *_capacities(hardware, overrides),
        *_demanded(demanded or {}),
        f"objective: {objective}",
    ]
    return "\n".join(lines) + "\n"


def _is_served(template: str, entries: int, network: Network) -> bool:
    """Whether a network has units for so many entries."""
    if not 2 <= entries <= _MOST:
        return False
    clustering = parse_clustering(template.replace("{k}", str(entries)))
    try:
        check_units(resolve_network(tuple(network), clustering))
    except InputError:
        return False
    return True


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _demanded(demanded: Mapping[str, Any]) -> Iterator[str]:
    for key, value in demanded.items():
        if value is not None and value is not False:
            shown = _scalar(value)
            yield f"{key}: [{shown}]" if key in _LISTS else f"{key}: {shown}"


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _text(value) if isinstance(value, str) else repr(value)


def _capacities(hardware: Hardware, overrides: Sequence[str]) -> Iterator[str]:
    """The largest memory on the chip, half and twice its size; and what else is set."""
    bits, path = max(_memories(hardware), default=(0, ""))
    settings = [each.partition("=")[::2] for each in overrides]
    settings = [(key, text) for key, text in settings if not (path and key.startswith(path))]
    if settings:
        yield "set:"
    for key, text in settings:
        yield f"  {_text(key)}: {_scalar(parse_yaml(text, '--set').data)}"
    if bits:
        sizes = ", ".join(f"{bits * times / 8192:g} KiB" for times in (0.5, 1, 2))
        yield "axes:"
        yield f"  {_text(path)}: [{sizes}]"


def _memories(hardware: Hardware) -> Iterator[tuple[int, str]]:
    """Bits of the memories on the chip, and the paths of their capacities."""
    for level in hardware.levels[1:]:
        parts = [
            (part.tensors[0], f".partitions[{i}]") for i, part in enumerate(level.partitions)
        ] or [("weights", "")]
        for tensor, part in parts:
            bits = (level.capacity_bits(tensor) or 0) * (1 + (level.buffering == "double"))
            yield bits, f"levels.{level.name}{part}.capacity"
