"""How much of a front a search finds with a tenth of the evaluations.

Run ``python benchmarks/fronts.py``. It evaluates all 2,000 points of a space (the designs of
docs/sweeps/thousand.yaml with LeNet-5), then searches it with 200 evaluations for some seeds, and
prints the hypervolume of each front that was found as a share of that of the whole space. The
reference is the worst of all points, on linear scales and on logarithmic ones.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from kcsim.exploration.answers import feasible, numbers_of, on_front
from kcsim.exploration.exploration import Exploration
from kcsim.exploration.explore import explore
from kcsim.reading.source import read_yaml

SWEEP = Path(__file__).resolve().parent.parent / "docs" / "sweeps" / "thousand.yaml"
GOALS = ("edp", "area_mm2")


def costs_of(found: Exploration) -> np.ndarray:
    """The goals of all points: float64[points, 2]."""
    kept = feasible(found.points())
    return np.column_stack([numbers_of(kept, goal) for goal in GOALS])


def hypervolume(costs: np.ndarray, reference: np.ndarray) -> float:
    """The area that points dominate, up to a reference."""
    best = costs[on_front(costs)]
    best = best[np.argsort(best[:, 0])]
    right = np.append(best[1:, 0], reference[0])
    return float(((right - best[:, 0]) * (reference[1] - best[:, 1])).sum())


def main() -> None:
    """Print all measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", default=str(SWEEP))
    parser.add_argument("--networks", nargs="+", default=["lenet5"])
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    swept = {"networks": arguments.networks, "objective": "edp"}
    space = {**read_yaml(arguments.sweep).data, **swept}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KCSIM_CACHE_DIR"] = str(Path(folder) / "mappings")
        started = time.perf_counter()
        everything = costs_of(explore(space, Path(folder) / "all", workers=arguments.workers))
        reference = everything.max(axis=0)
        print(f"{len(everything)} points, {on_front(everything).sum()} on the front, "
              f"{time.perf_counter() - started:.0f} s", flush=True)  # fmt: skip
        for seed in range(arguments.seeds):
            search = {"minimize": list(GOALS), "evaluations": arguments.evaluations, "seed": seed}
            out = Path(folder) / f"{seed}"
            found = costs_of(explore({**space, "search": search}, out, workers=arguments.workers))
            shares = [
                hypervolume(f(found), f(reference)) / hypervolume(f(everything), f(reference))
                for f in (np.asarray, np.log)
            ]
            print(f"seed {seed}: {len(found)} evaluations, {shares[0]:.4f} of the hypervolume, "
                  f"{shares[1]:.4f} on logarithmic scales", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
