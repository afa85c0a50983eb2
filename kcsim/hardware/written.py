"""A hardware as the text of a complete file, with the numbers that followed from sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import yaml

from kcsim.hardware.description import Origin
from kcsim.hardware.places import place_name
from kcsim.hardware.schema import Hardware
from kcsim.hardware.values import (
    AssumedBits,
)
from kcsim.reading.source import Path_


def resolved_text(hardware: Hardware) -> str:
    """The text of a file that gives the same hardware, every number written out.

    A number that followed from a size has its rule, its error bar and its sources beside it, and
    all inputs under `provenance`, so that such a file needs no library.

    Parameters
    ----------
    hardware : Hardware
    """
    data = {key: value for key, value in _plain(hardware).items() if key != "provenance"}
    lines = list(_lines(data, (), hardware))
    if hardware.provenance:
        lines += ["", "# Where numbers came from that followed from sizes."]
        origins = {name: _plain(origin) for name, origin in hardware.provenance.items()}
        text = yaml.safe_dump({"provenance": origins}, sort_keys=False, width=10**6)
        lines.append(text.rstrip())
    return "\n".join([*lines, ""])


def origin_words(origin: Origin) -> str:
    """An origin in a line: rule, error bar, sources."""
    bar = f"{origin.low:.2g} to {origin.high:.2g} times"
    sources = ", ".join(origin.sources) or "assumed"
    return f"{origin.library}: {origin.rule}; {bar}; [{sources}]"


def _plain(value: Any) -> Any:
    """Dataclasses as dicts, without what is as when absent."""
    if dataclasses.is_dataclass(value):
        found = {}
        for field in dataclasses.fields(value):
            each = getattr(value, field.name)
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            if not isinstance(each, AssumedBits) and each != default and each != {}:
                found[field.name] = _plain(each)
        return found
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _lines(value: Any, path: Path_, hardware: Hardware) -> Iterator[str]:
    """Block style for what holds mappings or numbers with an origin, a line for all else."""
    if isinstance(value, list):
        for i, each in enumerate(value):
            first, *others = _lines(each, (*path, i), hardware)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
        return
    for key in sorted(value, key=lambda key: key != "name"):
        here, each = (*path, key), value[key]
        if _needs_block(here, each, hardware):
            yield f"{_scalar(key)}:"
            yield from (f"  {line}" for line in _lines(each, here, hardware))
        else:
            yield f"{_scalar(key)}: {_scalar(each)}{_comment(here, each, hardware)}"


def _needs_block(path: Path_, value: Any, hardware: Hardware) -> bool:
    if isinstance(value, list):
        return any(isinstance(each, dict) for each in value)
    if not isinstance(value, dict):
        return False
    return any(isinstance(each, dict) for each in value.values()) or any(
        _comment((*path, key), each, hardware) for key, each in value.items()
    )


def _comment(path: Path_, value: Any, hardware: Hardware) -> str:
    origin = hardware.provenance.get(place_name(hardware, path))
    return f"  # {origin_words(origin)}" if origin and origin.value == value else ""


def _scalar(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
