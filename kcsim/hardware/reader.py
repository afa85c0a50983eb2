"""Hardware files: where they are found, how they are read and overridden."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.components.library import ComponentLibrary
from kcsim.hardware.overrides import apply_override
from kcsim.hardware.resolution import hardware_of_data, hardware_of_document
from kcsim.hardware.schema import Hardware
from kcsim.reading.arguments import checked
from kcsim.reading.formats import refuse_foreign
from kcsim.reading.source import Document, read_yaml


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
    # Unlike pathlib, it answers for names that are too long or may not be looked at, too.
    if os.path.exists(spec) and os.fspath(spec):
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


@checked
def load_hardware(
    spec: str | os.PathLike[str] | Hardware | dict[str, Any],
    overrides: Sequence[str] = (),
    library: ComponentLibrary | None = None,
) -> Hardware:
    """Read a hardware file.

    Parameters
    ----------
    spec : str, path, Hardware or dict
        The path of a file, the bare name of a shipped one, a hardware (handed
        back as it is) or what a file would hold.
    overrides : sequence of str
        Changes as ``levels.buffer.read_pj=12``; levels go by their name, elements of other lists
        by their position, as ``levels.buffer.partitions[0].capacity_kib=64``. One that changes the
        size of a part whose kind is given makes its energies follow from the size, unless they are
        changed, too.
    library : ComponentLibrary, optional
        What estimates parts; that of kcsim when absent.

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
        if overrides:
            raise InputError("overrides apply to hardware files; change the data in place of them")
        return hardware_of_data(spec, library, "hardware")
    file = find_hardware(spec)
    try:
        document = read_yaml(file)
        if not overrides:
            return hardware_of_document(document, library)
    except InputError:
        refuse_foreign(file, "hardware")
        raise
    return _overridden(document, overrides, library)


def _overridden(
    document: Document, overrides: Sequence[str], library: ComponentLibrary | None
) -> Hardware:
    """The hardware of a file with some values changed."""
    from kcsim.hardware.resized import let_resized_follow

    before = hardware_of_document(document, library)
    changed = [apply_override(document.data, override) for override in overrides]
    let_resized_follow(document.data, before, changed)
    return hardware_of_data(document.data, library, document.file)


def hardware_schema() -> dict[str, Any]:
    """The JSON Schema of hardware files, for editors."""
    from kcsim.hardware.file_schema import file_schema

    return file_schema()
