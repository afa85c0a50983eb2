#!/usr/bin/env python3
"""Run the tests with the oldest versions that pyproject.toml admits.

Run ``PYTHON .ci/oldest.py [--extras test,torch] [OPTIONS OF PYTEST]`` with the Python to try, as in
``python3.13 .ci/oldest.py``. Packages that pyproject.toml does not name are the newest that fit.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR = re.compile(r"(?P<name>[\w.-]+)>=(?P<version>[\w.]+)(,<[\w.]+)?(?P<marker>\s*;.*)?")


def floors(extras: list[str]) -> list[str]:
    """What the metadata requires, each at its lowest version; what builds need first."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = metadata["project"]
    required = [*metadata["build-system"]["requires"], *project["dependencies"]]
    for extra in extras:
        required += project["optional-dependencies"][extra]
    found = {each: FLOOR.fullmatch(each) for each in required}
    without = [each for each, match in found.items() if match is None]
    if without:
        sys.exit(f"no lowest version in: {', '.join(without)}; expected NAME>=VERSION")
    return [f"{m['name']}=={m['version']}{m['marker'] or ''}" for m in found.values() if m]


def main() -> None:
    """Make an environment in a temporary folder, and run the tests there."""
    parser = argparse.ArgumentParser(description="tests with the oldest versions")
    parser.add_argument("--extras", default="test", help="extras to install (test)")
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
        python = f"{folder}/venv/bin/python"
        oldest = Path(folder, "oldest.txt")
        lowest = floors(options.extras.split(","))
        oldest.write_text("\n".join(lowest))
        install = [python, "-m", "pip", "install", "-q", "-c", str(oldest)]
        # Outside a build's own environment, constraints hold for builds too.
        subprocess.run([*install, "editables", lowest[0]], check=True)
        install += ["--no-build-isolation", "-e", f".[{options.extras}]"]
        subprocess.run(install, check=True, cwd=ROOT)
        subprocess.run([python, "-m", "pip", "list"], check=True)
        environment = os.environ | {"NUMBA_CACHE_DIR": f"{folder}/numba"}
        tests = [python, "-m", "pytest", "-q", "-n", "auto", *rest]
        sys.exit(subprocess.run(tests, cwd=ROOT, env=environment).returncode)


if __name__ == "__main__":
    main()
