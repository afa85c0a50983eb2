"""Hardware files: where they are found, how they are read and overridden."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kcsim.errors import InputError, Mark, Problem, nearest
from kcsim.hardware.schema import Hardware
from kcsim.source import Document, parse_yaml, read_yaml
from kcsim.validation import validate, validate_data

__all__ = ["hardware_schema", "load_hardware", "shipped_folder", "shipped_names"]

_SECTIONS = ("fanout", "precision_bits", "codebook", "dataflow", "compression", "zeros")


@cache
def shipped_folder() -> Path:
    """The folder of the hardware files that come with kcsim."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "hwconfigs"
    return installed if installed.is_dir() else package.parent / "hwconfigs"


def shipped_names() -> tuple[str, ...]:
    """Names of the shipped hardware files, with their ending."""
    return tuple(sorted(path.name for path in shipped_folder().glob("*.yaml")))


def find_hardware(spec: str | os.PathLike[str]) -> Path:
    """The file that a user means by a path or by a bare name.

    Raises
    ------
    InputError
        If there is no such file here and none of that name is shipped.
    """
    path = Path(spec)
    if path.exists():
        return path
    if path.parent == Path():
        for name in (path.name, f"{path.name}.yaml"):
            if name in shipped_names():
                return shipped_folder() / name
    known = shipped_names()
    raise InputError(
        Problem(
            f"there is no hardware file '{spec}'",
            "a path, or one of " + ", ".join(known),
            nearest(path.name, known) or nearest(f"{path.name}.yaml", known),
        )
    )


def load_hardware(
    spec: str | os.PathLike[str] | Hardware | dict[str, Any], overrides: Sequence[str] = ()
) -> Hardware:
    """Read a hardware file.

    Parameters
    ----------
    spec : str, path, Hardware or dict
        The path of a file, the bare name of a shipped one, a hardware (handed
        back as it is) or what a file would hold.
    overrides : sequence of str
        Changes as ``levels.buffer.read_pj=12``; levels go by their name.

    Returns
    -------
    Hardware

    Raises
    ------
    InputError
        With everything that is wrong, each with its place in the file.
    """
    if isinstance(spec, Hardware):
        if overrides:
            raise InputError(
                "overrides apply to hardware files; use dataclasses.replace on a Hardware"
            )
        return spec
    if isinstance(spec, dict):
        return validate_data(spec, Hardware, what="hardware")
    document = read_yaml(find_hardware(spec))
    if not overrides:
        return validate(document, Hardware, what="hardware file")
    validate(document, Hardware, what="hardware file")
    for override in overrides:
        _apply(document, override)
        _check_override(document, override)
    return validate_data(document.data, Hardware, what=document.file)


def _mark(override: str) -> Mark:
    return Mark("--set", 1, 1, override)


def _apply(document: Document, override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError(
            Problem(
                f"'{override}' is not an override", "KEY=VALUE, as levels.buffer.read_pj=12",
                mark=_mark(override),
            )
        )  # fmt: skip
    *parents, last = key.split(".")
    target: Any = document.data
    for step in parents:
        target = _descend(target, step, override)
    value = parse_yaml(text, "--set").data if text.strip() else None
    if isinstance(target, list):
        raise InputError(
            Problem(f"'{key}' names a whole element of a list", "one of its keys",
                    mark=_mark(override))
        )  # fmt: skip
    target[last] = value


def _descend(value: Any, step: str, override: str) -> Any:
    if isinstance(value, list):
        choices = {
            str(item["name"]): item for item in value if isinstance(item, dict) and "name" in item
        }
        choices |= {str(index): item for index, item in enumerate(value)}
    elif isinstance(value, dict):
        choices = value
        # A section that the file leaves out may be set key by key.
        if step not in value and step in _SECTIONS:
            value[step] = {}
    else:
        choices = {}
    if step not in choices or not isinstance(choices[step], dict | list):
        names = [name for name, item in choices.items() if isinstance(item, dict | list)]
        raise InputError(
            Problem(
                f"there is no '{step}' to set a value in",
                "one of " + ", ".join(n for n in names if not n.isdigit()) if names else "",
                nearest(step, names),
                mark=_mark(override),
            )
        )
    return choices[step]


def _check_override(document: Document, override: str) -> None:
    try:
        validate_data(document.data, Hardware, what="hardware")
    except InputError as error:
        first = error.problems[0]
        message = first.message.removeprefix("hardware: ")
        raise InputError(
            Problem(message, first.expected, first.suggestion, _mark(override))
        ) from None


def hardware_schema() -> dict[str, Any]:
    """The JSON Schema of hardware files, for editors."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Hardware).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
