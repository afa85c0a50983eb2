"""How fast a benchmark is here, over how fast it is in another checkout, run in turns.

Run ``python benchmarks/paired.py OTHER --script benchmarks/counting.py``. Each pair runs the
script once in both checkouts, one right after the other, so that a machine that is busy is busy
for both; every line of the script that names a rate is compared, by the median of the pairs. Both
have kernels of their own.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent.parent


def rates(checkout: Path, script: str, options: list[str], kernels: str) -> dict[str, float]:
    """What a script prints of rates: by the words behind the number."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout), "NUMBA_CACHE_DIR": str(Path(kernels) / checkout.name),
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, script, *options], cwd=checkout, env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    found = re.findall(r"^([0-9.]+) (.* a second .*)$", run.stdout, re.MULTILINE)
    return {words: float(number) for number, words in found}


def main() -> None:
    """Print each rate here, in the other checkout, and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="another checkout")
    parser.add_argument("--script", default="benchmarks/counting.py", help="the benchmark")
    parser.add_argument("--pairs", type=int, default=7, help="how often both run")
    given, options = parser.parse_known_args()
    pairs = []
    with tempfile.TemporaryDirectory() as kernels:
        for _ in range(given.pairs):
            pairs.append(
                [
                    rates(checkout, given.script, options, kernels)
                    for checkout in (HERE, given.other.resolve())
                ]
            )
    print(f"medians of {given.pairs} pairs of {given.script}: here, there, here over there")
    for words in pairs[0][0]:
        both = [[rate[words] for rate in pair] for pair in pairs]
        here, there = (statistics.median(each) for each in zip(*both, strict=True))
        ratio = statistics.median(one / other for one, other in both)
        print(f"{here:.3g} {there:.3g} {ratio:.2f} {words}")


if __name__ == "__main__":
    main()
