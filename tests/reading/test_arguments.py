"""Arguments of wrong types, of every public function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import ArrayLike

import kcsim
from kcsim.errors import InputError
from kcsim.reading.arguments import check_types, checked


class Pair(NamedTuple):
    first: int
    second: str


class Anything:
    """A value that fits no parameter of any public function."""


FITTING = [
    (int, [0, -3, 10**30, np.int64(3)]),
    (float, [0, 1.5, float("nan"), np.float32(2)]),
    (bool, [True, False]),
    (str, ["", "x"]),
    (int | None, [None, 3]),
    (Sequence[str], [[], ("a",), ["a", "b"]]),
    (Mapping[str, int], [{}, {"a": 1}]),
    (Callable[[int, int], None], [print, lambda a, b: None]),
    (Pair, [Pair(1, "x")]),
    (np.ndarray, [np.zeros(2), [1, 2], 3]),
    (ArrayLike | None, [None, np.zeros(2), [[1.0]], 3]),
    (Any, [None, Anything()]),
]
WRONG = [
    (int, [True, 1.0, "1", None, [1]], "a whole number"),
    (float, [False, "1.5", None, 1j], "a number"),
    (bool, [0, 1, "true"], "True or False"),
    (str, [b"x", 3, None, ["x"]], "a text"),
    (int | None, ["3", 2.5], "a whole number"),
    (Sequence[str], ["abc", [3], {"a"}, None], "a sequence of texts"),
    (Mapping[str, int], [[], {"a": "b"}, {3: 3}], "a mapping of texts to whole numbers"),
    (Callable[[int, int], None], [3, "print"], "a function"),
    (Pair, [(1, "x"), Pair("x", 1)], "a Pair"),
    (np.ndarray, ["x", None, {}], "an array"),
    (str | float, [None, []], "a text or a number"),
]


@pytest.mark.parametrize(("hint", "values"), FITTING)
def test_what_fits_passes(hint, values):
    for value in values:
        check_types({"it": value}, {"it": hint})


@pytest.mark.parametrize(("hint", "values", "expected"), WRONG)
def test_what_does_not_fit_is_named_with_what_was_expected(hint, values, expected):
    for value in values:
        with pytest.raises(InputError) as caught:
            check_types({"it": value}, {"it": hint})
        (problem,) = caught.value.problems
        assert problem.message.startswith("it is ")
        assert problem.expected == expected


def test_all_wrong_arguments_are_named_at_once():
    @checked
    def sample(first: int, second: str = "", *, third: bool = False) -> str:
        return f"{first}{second}{third}"

    assert sample(1, third=True) == "1True"
    with pytest.raises(InputError) as caught:
        sample("1", second=2, third=3)
    assert [problem.message for problem in caught.value.problems] == [
        "first is '1'", "second is 2", "third is 3",
    ]  # fmt: skip
    with pytest.raises(TypeError, match="first"):
        sample()


def is_function(name):
    try:
        return inspect.isfunction(getattr(kcsim, name))
    except InputError:
        # It needs torch, which is not here.
        return False


FUNCTIONS = [name for name in kcsim.__all__ if is_function(name)]


def test_there_are_public_functions():
    assert {"estimate", "load_hardware", "cluster_network", "clustered_conv2d"} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_refuses_what_fits_nowhere(name):
    if name == "cluster_model":
        pytest.importorskip("torch")
    function = getattr(kcsim, name)
    parameters = inspect.signature(function).parameters
    with pytest.raises(InputError) as caught:
        function(**{parameter: Anything() for parameter in parameters})
    named = [problem.message.split(" ")[0] for problem in caught.value.problems]
    assert named == list(parameters)
    assert all(problem.expected for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: kcsim.estimate("simple", "lenet5", clustering=3),
            "clustering is 3; expected a Clu",
        ),
        (
            lambda: kcsim.load_hardware("simple", overrides="levels.x=3"),
            "overrides is 'levels.x=3'; expected a sequence of texts",
        ),
        (lambda: kcsim.map_layers([3], kcsim.load_hardware("simple")), "sequence of MappingTask"),
        (lambda: kcsim.Network("net", [3]), "the layers of network 'net' are [3]"),
        (lambda: kcsim.Network("net", np.array("x")), "expected a sequence of ConvLayer"),
        (lambda: kcsim.ConvLayer("c", 1, 1, 1, 1, 1, 1, kind=np.zeros(2)), "expected 'conv', 'lin"),
        (lambda: kcsim.Loop(np.zeros(2), 3), "expected one of N, G, M"),
        (lambda: kcsim.Network("net", 3), "the layers of network 'net' are 3"),
        (lambda: kcsim.Mapping(3), "levels is 3; expected a sequence of LevelLoops"),
        (lambda: kcsim.LevelLoops("DRAM", [3]), "temporal is [3]; expected a sequence of Loop"),
        (lambda: kcsim.LevelLoops(3), "level is 3; expected a text"),
        (lambda: kcsim.Loop("X", 3), "a loop over 'X' with the bound 3; expected one of N, G,"),
        (lambda: kcsim.Loop("P", 2.5), "a loop over 'P' with the bound 2.5"),
        (lambda: kcsim.Loop("P", 0), "a loop over 'P' with the bound 0"),
        (lambda: kcsim.Clustering({"a": 3}), "scheme is {'a': 3}; expected a text"),
        (lambda: kcsim.Clustering("kernel", k=np.zeros(2)), "expected a whole number of at least"),
        (lambda: kcsim.Clustering("kernel", k=2, overrides=3), "overrides is 3; expected"),
        (lambda: kcsim.Hardware(name="x"), "Hardware: missing 'levels'"),
        (lambda: kcsim.ZeroShares(inputs="x"), "the share of zero inputs is 'x'"),
    ],
)
def test_what_wrong_types_are_told(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)


def test_lists_of_loops_are_as_good_as_tuples():
    loops = [kcsim.Loop("M", 2)]
    mapping = kcsim.Mapping([kcsim.LevelLoops("DRAM", loops, bypass=["inputs"])])
    same = kcsim.Mapping((kcsim.LevelLoops("DRAM", tuple(loops), bypass=("inputs",)),))
    assert mapping == same
    assert hash(mapping) == hash(same)


def test_a_network_may_be_made_of_any_layers_in_a_row():
    layer = kcsim.ConvLayer("c", 1, 1, 1, 1, 1, 1)
    for layers in ([layer], (layer,), iter([layer]), {"c": layer}.values()):
        assert kcsim.Network("net", layers).layers == (layer,)
