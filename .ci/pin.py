#!/usr/bin/env python3
"""Write constraints.txt anew: the newest versions of all that tests, lint and builds install.

Run ``python3 .ci/pin.py PYTHON...`` with one interpreter of each version of Python that the
constraints shall hold for, oldest first, as in
``python3 .ci/pin.py python3.11 python3.12 python3.13``. Needs Linux and Python 3.11 or newer.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Chosen by hand. Its builds for GPUs take gigabytes, so that only the first Python resolves it.
HELD = "torch==2.13.0"
TOOLS = ["build", "editables"]
HEADER = """\
# Every version that the commands of README.md and of .ci/run install on Linux, but for the
# libraries of GPUs that some builds of torch bring along. Written by
# python3 .ci/pin.py {pythons}
"""


def resolve(python: str, extras: str) -> tuple[str, dict[str, str]]:
    """The version of Python, and of each package that it would install by name."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip, report, held = f"{folder}/bin/pip", f"{folder}/report.json", f"{folder}/held.txt"
        subprocess.run([pip, "install", "-q", "--upgrade", "pip"], check=True)
        Path(held).write_text(HELD)
        command = [pip, "install", "-q", "--dry-run", "--ignore-installed", "--report", report]
        command += ["-c", held, f".[{extras}]", *TOOLS, *build]
        subprocess.run(command, check=True, cwd=ROOT)
        found = json.loads(Path(report).read_text())
    packages = [each["metadata"] for each in found["install"] if not each["is_direct"]]
    # Builds of one version differ in what follows a plus.
    versions = {
        re.sub("[-_.]+", "-", each["name"]).lower(): each["version"].partition("+")[0]
        for each in packages
    }
    return found["environment"]["python_version"], versions


def lines(found: dict[str, dict[str, str]]) -> list[str]:
    """One constraint a package, or several where the versions for different Pythons differ."""
    pins = []
    for name in sorted({name for versions in found.values() for name in versions}):
        known = [(python, versions[name]) for python, versions in found.items() if name in versions]
        # The Pythons from which on another version holds; no bound before the first.
        starts = [pair for i, pair in enumerate(known) if not i or pair[1] != known[i - 1][1]]
        for i, (python, version) in enumerate(starts):
            bounds = [f'python_version >= "{python}"'] if i else []
            bounds += [f'python_version < "{later}"' for later, _ in starts[i + 1 : i + 2]]
            pins.append("; ".join([f"{name}=={version}", *filter(None, [" and ".join(bounds)])]))
    return pins


def main() -> None:
    """Resolve for every Python, then write."""
    pythons = sys.argv[1:]
    if not pythons:
        sys.exit("no Python given; expected: python3 .ci/pin.py python3.11 python3.12 python3.13")
    extras = ["test,torch,lint,coreml"] + ["test,lint,hwcomponents,coreml"] * (len(pythons) - 1)
    found = dict(map(resolve, pythons, extras))
    header = HEADER.format(pythons=" ".join(f"python{version}" for version in found))
    (ROOT / "constraints.txt").write_text(header + "\n".join(lines(found)) + "\n")


if __name__ == "__main__":
    main()
