"""constraints.txt pins all that tests, lint and builds install."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
]
HERE = {pin.name: str(pin.specifier) for pin in PINS if pin.marker is None or pin.marker.evaluate()}


def required():
    """What pyproject.toml requires, for any purpose."""
    project = METADATA["project"]
    groups = [METADATA["build-system"]["requires"], project["dependencies"]]
    groups += project["optional-dependencies"].values()
    return [Requirement(text) for group in groups for text in group]


@pytest.mark.parametrize("requirement", required(), ids=str)
def test_every_requirement_has_one_pin_that_it_admits(requirement):
    if requirement.marker is None or requirement.marker.evaluate():
        pin = HERE[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(pin)


def test_what_pinned_packages_require_is_pinned():
    """Of those that are installed in that version; builds of torch for GPUs require more."""
    for name in HERE.keys() - {"torch"}:
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        is_pinned = f"=={found.version}" == HERE[name]
        for requirement in map(Requirement, (found.requires or ()) if is_pinned else ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in HERE, name


def test_each_pin_is_one_version_for_each_python():
    for pin in PINS:
        assert re.fullmatch(r"==[^,*]+", str(pin.specifier)), pin
        assert pin.name == canonicalize_name(pin.name)
    for version in ("3.11", "3.12", "3.13", "3.14"):
        place = {"python_version": version}
        names = [pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(place)]
        assert len(names) == len(set(names)) == len(HERE)
