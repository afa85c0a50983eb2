"""The search where a level generates padding, against a list of every mapping."""

import pytest
from padded_problems import padded_problem, square_problem, window_problem
from test_optimum import check_problem


@pytest.mark.parametrize("seeds", range(4))
def test_best_of_all_mappings_without_padding(seeds):
    for seed in range(1000 * seeds, 1000 * seeds + 10):
        check_problem(*padded_problem(seed, most=3000), even=seed % 4 == 0)


@pytest.mark.parametrize("seeds", range(2))
def test_best_of_all_mappings_of_large_windows_in_padding(seeds):
    for seed in range(1000 * seeds, 1000 * seeds + 10):
        check_problem(*window_problem(seed, most=20_000), even=seed % 5 == 0)


@pytest.mark.parametrize("seed", range(4))
def test_best_of_all_mappings_where_rows_columns_and_their_padding_are_alike(seed):
    check_problem(*square_problem(seed, most=60_000))


@pytest.mark.slow
@pytest.mark.parametrize("seeds", range(25))
def test_best_of_all_mappings_without_padding_at_length(seeds):
    for seed in range(10_000 + 20 * seeds, 10_020 + 20 * seeds):
        check_problem(*padded_problem(seed, most=10_000), even=seed % 4 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", range(10))
def test_best_of_all_mappings_of_large_windows_in_padding_at_length(seeds):
    for seed in range(10_000 + 20 * seeds, 10_020 + 20 * seeds):
        check_problem(*window_problem(seed, most=100_000), even=seed % 5 == 0)
