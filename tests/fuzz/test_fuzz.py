"""Whatever a file or a command line says: kcsim's own errors, in time and in little memory.

Each seed is an input: a hardware, network, layer, mapping, zeros, names, weight, clustered or kept
file that is a little wrong, a command line, or a call of the Python API.
``python tests/fuzz/fuzz_cases.py SEED`` runs one, and shows it.
"""

from __future__ import annotations

import pytest
from fuzz_runner import failures_of

PARTS = 2
CASES = 1_000
SLOW_PARTS = 20
SLOW_CASES = 12_000


def check(seeds: range, folder) -> None:
    failures = failures_of(seeds, folder)
    assert not failures, f"{len(failures)} of {len(seeds)} cases\n" + "\n\n".join(failures[:10])


@pytest.mark.parametrize("part", range(PARTS))
def test_odd_input_gives_errors_of_kcsim_alone(part, tmp_path):
    check(range(part, CASES, PARTS), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(SLOW_PARTS))
def test_so_does_much_more_odd_input(part, tmp_path):
    check(range(CASES + part, CASES + SLOW_CASES, SLOW_PARTS), tmp_path)
