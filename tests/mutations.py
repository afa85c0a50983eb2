"""Break the counter on purpose, and see that the tests find out.

Run ``python tests/mutations.py``; it takes some minutes. Each mutation is one change of the
kernels in a copy of the sources, against which the tests of the counts are run. The unchanged
copy has to pass, and every other one to fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ["tests/kernels/test_counting_properties.py", "tests/test_reference_cases.py"]

MUTATIONS = {
    "nothing": ("nest.py", "", ""),
    "halo rule dropped": (
        "nest.py",
        "if columns == 0 and 0 < rows < tile_rows:",
        "if columns == 0 and rows == tile_rows:",
    ),
    "multicast counted per instance": (
        "counting.py",
        "shares = rules[level, MULTICAST] != NO_MULTICAST\n",
        "shares = False\n",
    ),
    "first-write elision forgotten": (
        "counting.py",
        "returning = rising - spans[parent, HELD]\n",
        "returning = rising\n",
    ),
    "two loops in the wrong order": (
        "counting.py",
        "for i in range(spans[level, ABOVE] - 1, -1, -1):\n        bound = loops[i, BOUND]",
        "for i in range(spans[level, ABOVE]):\n        bound = loops[i, BOUND]",
    ),
    "stationarity ignored": (
        "counting.py",
        "bound > 1 and INDEXES[tensor, loops[i, DIMENSION]]:",
        "bound > 1:",
    ),
    "partial sums never return": (
        "counting.py",
        "returning = rising - spans[child, HELD]\n",
        "returning = 0\n",
    ),
    "networks always add up": (
        "counting.py",
        "shares = rules[level, REDUCES] != 0\n",
        "shares = True\n",
    ),
    "tiles of overlapping windows are distinct": (
        "counting.py",
        "return count_a * count_b - max(0, count_a - shift_a) * max(0, count_b - shift_b)",
        "return count_a * count_b",
    ),
    "short last rounds counted in full": (
        "rounds.py",
        "return max(0, min(walk.extent[dimension], walk.sizes[dimension] - index))",
        "return walk.extent[dimension] if index < walk.sizes[dimension] else 0",
    ),
    "idle children served": (
        "rounds.py",
        "if offset >= 0 and classes[k, BASE] + offset < walk.sizes[dimension]:",
        "if offset >= 0:",
    ),
    "windows that grow forget what they hold": (
        "requests.py",
        "if low >= old_low:",
        "if low > old_low:",
    ),
}


def fails(before: str, after: str, file: str) -> bool:
    """Whether the tests fail on a copy of the sources with one change."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "kcsim"
        ignored = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        kernel = copy / "kcsim" / "kernels" / file
        text = kernel.read_text(encoding="utf-8")
        if text.count(before) != 1 and before:
            raise SystemExit(f"{file} does not hold exactly once: {before!r}")
        kernel.write_text(text.replace(before, after), encoding="utf-8")
        settings = {"PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(copy / "cache"), "CI": "true"}
        command = [sys.executable, "-m", "pytest", "-q", "-x", *TESTS]
        done = subprocess.run(
            command, cwd=copy, env={**os.environ, **settings}, capture_output=True, check=False
        )
        return done.returncode == 1


def main() -> None:
    """Print what was caught; exit with 1 if something was not, or the unchanged code fails."""
    wrong = 0
    for name, (file, before, after) in MUTATIONS.items():
        caught = fails(before, after, file)
        wrong += caught == (name == "nothing")
        print(f"{'caught' if caught else 'passed':8} {name}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
