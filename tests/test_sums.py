"""Sums: the same on every Python."""

import ast
import functools
import operator
import random
from fractions import Fraction
from pathlib import Path

import pytest

import kcsim
from kcsim.report.beside import Beside
from kcsim.report.layer_data import access_table, component_table
from kcsim.report.network_data import components_table
from kcsim.sums import exact_sum, exact_sums

PACKAGE = Path(kcsim.__file__).parent


def rounded(values):
    """The float next to the sum, by way of fractions."""
    return float(sum(map(Fraction, values), Fraction(0)))


@pytest.fixture(scope="module")
def estimate():
    """Energies that no float holds, so that sums have to round."""
    energies = ("levels.DRAM.read_pj=0.1", "levels.buffer.read_pj=0.7", "compute.mac_pj=0.3")
    hardware = kcsim.load_hardware("eyeriss", energies)
    return kcsim.estimate(hardware, "alexnet", clustering="kernel:k=16,scope=layer,dense=none")


def test_floats_are_added_exactly_and_rounded_once():
    generator = random.Random(0)
    for size in range(1, 40):
        values = [generator.uniform(-1, 1) * 10 ** generator.uniform(-8, 8) for _ in range(size)]
        assert exact_sum(values) == rounded(values)
        assert exact_sum(reversed(values)) == exact_sum(values)
    # Added one by one, 0.1 is lost; Python 3.12 keeps it in some orders only.
    assert exact_sum([1e16, 0.1, -1e16]) == 0.1


def test_whole_numbers_stay_whole():
    assert exact_sum([2**53, 1, True]) == 2**53 + 2
    assert type(exact_sum([1, 2])) is type(exact_sum([])) is int
    assert type(exact_sum([1, 2.0])) is float


def test_each_name_has_its_own_sum_in_the_order_of_the_first():
    sums = exact_sums([("b", 1), ("a", 1e16), ("b", 2), ("a", 0.1), ("a", -1e16)])
    assert list(sums.items()) == [("b", 3), ("a", 0.1)]


def test_energies_of_estimates_are_sums_that_are_rounded_once(estimate):
    for run in estimate.runs.values():
        assert run.energy == rounded(layer.energy for layer in run.layers)
        for layer in run.layers:
            assert layer.energy == rounded(item.energy for item in layer.items)
        items = [item for layer in run.layers for item in layer.items]
        for label, account in (
            ("component", run.energy_by_component()),
            ("tensor", run.energy_by_tensor()),
        ):
            for name, energy in account.items():
                wanted = "" if name == "other" else name
                assert energy == rounded(i.energy for i in items if getattr(i, label) == wanted)
        for name in ("computational_mac_units", "weight_mac_units", "weight_bit_uses"):
            costs = [getattr(cost, name) for cost in run.deep_kmeans]
            assert getattr(run.deep_kmeans_total, name) == rounded(costs)


def test_totals_of_tables_are_sums_that_are_rounded_once(estimate):
    for layer in estimate.dense.layers:
        for table, column in ((access_table(layer), -1), (component_table(layer), 1)):
            assert table.footers[0][column] == rounded(row[column] for row in table.rows)
    table = components_table(Beside.last(estimate))
    for column in (1, 3):
        energies = [row[column] for row in table.rows if row[column] is not None]
        assert table.footers[0][column] == rounded(energies)


def test_sums_of_one_value_after_the_other_are_other_sums(estimate):
    """So that the tests above would tell one from the other, on every Python."""
    layers = [layer for run in estimate.runs.values() for layer in run.layers]
    energies = [[item.energy for item in layer.items] for layer in layers]
    assert any(functools.reduce(operator.add, each) != rounded(each) for each in energies)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_the_builtin_sum_adds_up_no_energies(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "sum":
            text = ast.unparse(node)
            assert not any(word in text for word in ("_pj", "energy", "utilization")), text
