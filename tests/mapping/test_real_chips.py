"""The search on hardware with what real chips have, against a list of every mapping."""

import pytest
from random_chips import random_chip_problem
from test_optimum import check_problem


@pytest.mark.parametrize("seeds", range(4))
def test_best_of_all_mappings_on_real_chips(seeds):
    for seed in range(1000 * seeds, 1000 * seeds + 6):
        check_problem(*random_chip_problem(seed, most=4000), even=seed % 5 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", range(25))
def test_best_of_all_mappings_on_real_chips_at_length(seeds):
    for seed in range(10_000 + 20 * seeds, 10_020 + 20 * seeds):
        check_problem(*random_chip_problem(seed, most=20_000), even=seed % 5 == 0)
