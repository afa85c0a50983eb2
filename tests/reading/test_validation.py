"""Validation: every complaint in our own words and at the right place."""

import enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from kcsim.errors import InputError, Mark, Problem
from kcsim.reading.source import parse_yaml
from kcsim.reading.validation import validate, validate_data

STRICT = ConfigDict(extra="forbid")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, config=STRICT)
class Level:
    name: str = Field(min_length=1, max_length=8, pattern="^[a-z]+$")
    capacity_kib: float = Field(gt=0, le=1e12, allow_inf_nan=False)
    ports: Annotated[int, Field(ge=1)] | Literal["unlimited"] = 1
    kind: Literal["sram", "dram"] = "sram"

    def __post_init__(self):
        if self.name == "bad":
            raise ValueError("a level cannot be bad")
        if self.name == "worse":
            raise InputError(
                [Problem("one", "two", "three"), Problem("x", mark=Mark("g", 9, 9, ""))]
            )


@dataclass(frozen=True, config=STRICT)
class Array:
    rows: int = Field(ge=1, lt=1000, multiple_of=2)
    columns: int = Field(4, alias="cols")


class Conv(BaseModel):
    model_config = STRICT
    op: Literal["conv"]
    kernel: int


class Pool(BaseModel):
    model_config = STRICT
    op: Literal["pool"]
    size: int


@dataclass(frozen=True, config=STRICT)
class Hardware:
    name: str
    levels: tuple[Level, ...] = Field((), max_length=3)
    array: Array | None = None
    energy: dict[str, Array] = Field(default_factory=dict)
    weights: dict[Literal["rows", "columns"], float] = Field(default_factory=dict)
    shape: tuple[int, int] = (1, 1)
    lines: list[bool] = Field(default_factory=list, min_length=1)
    layers: list[Annotated[Conv | Pool, Field(discriminator="op")]] = Field(default_factory=list)
    either: Array | Level | str | None = None
    color: Color = Color.RED
    anything: Any = None


GOOD = """
name: x
levels: [{name: rf, capacity_kib: 3, ports: 2.0}, {name: glb, capacity_kib: 1e3, ports: unlimited}]
array: {rows: 4, cols: 2}
energy: {mac: {rows: 2}}
weights: {rows: 1}
shape: [3, 4]
lines: [true]
layers: [{op: conv, kernel: 3}]
either: {rows: 2}
color: blue
anything: [1.5, .inf, .nan]
"""


def test_good_data():
    hardware = validate(parse_yaml(GOOD), Hardware, what="hardware file")
    assert hardware.levels == (Level("rf", 3.0, 2), Level("glb", 1000.0, "unlimited"))
    assert type(hardware.levels[0].capacity_kib) is float
    assert hardware.shape == (3, 4)
    assert hardware.either == Array(2)
    assert hardware.color is Color.BLUE
    assert validate_data(parse_yaml(GOOD).data | {"anything": (1,)}, Hardware, what="h").levels
    assert validate_data(None, type(None), what="h") is None


LEVEL = "levels: [{name: rf, capacity_kib: 1}, {name: rf, capacity_kib: 2, "
FAULTS = {
    # text without the name: problems as (line:column, message), the first line being 'name: x'
    "unknown key": (
        "array: {rows: 2, colz: 3}",
        ["2:18: unknown key 'colz'; expected one of rows, cols; did you mean 'cols'?"],
    ),
    "unknown and missing key": (
        "levels:\n  - name: rf\n    capcity_kib: 3",
        [
            "3:5: missing key 'capacity_kib'",
            "4:5: unknown key 'capcity_kib'; expected one of name, capacity_kib, ports, kind; "
            "did you mean 'capacity_kib'?",
        ],
    ),
    "unknown key in a dict": (
        "energy:\n  mac: {rows: 2, x: 1}",
        ["3:18: unknown key 'x'; expected one of rows, cols"],
    ),
    "unknown key of a dict": (
        "weights: {rowz: 1}",
        ["2:11: unknown key 'rowz'; expected 'rows' or 'columns'; did you mean 'rows'?"],
    ),
    "unknown key in a tagged union": (
        "layers: [{op: pool, size: 1, sise: 2}]",
        ["2:30: unknown key 'sise'; expected one of op, size; did you mean 'size'?"],
    ),
    "unknown tag": (
        "layers: [{op: pol}]",
        ["2:15: 'op' is 'pol'; expected one of 'conv', 'pool'; did you mean 'pool'?"],
    ),
    "missing tag": ("layers: [{size: 1}]", ["2:10: missing key 'op'"]),
    "text for a number": (
        "levels: [{name: rf, capacity_kib: big}]",
        ["2:35: 'capacity_kib' must be a number, not the text 'big'"],
    ),
    "quoted number": (
        "array: {rows: '12'}",
        ["2:15: 'rows' must be an integer, not the text '12'"],
    ),
    "true for a number": ("array: {rows: true}", ["2:15: 'rows' must be an integer, not true"]),
    "null for a number": (
        "array: {rows: }",
        ["2:15: 'rows' must be an integer, not nothing (null)"],
    ),
    "fraction for an int": (
        "array: {rows: 3.5}",
        ["2:15: 'rows' must be an integer, not the number 3.5"],
    ),
    "text for a bool": (
        "lines: [yes]",
        ["2:9: 'lines[0]' must be true or false, not the text 'yes'"],
    ),
    "number for a bool": (
        "lines: [1]",
        ["2:9: 'lines[0]' must be true or false, not the number 1"],
    ),
    "number for a text": ("either: 3", ["2:9: 'either' is 3; expected a mapping or a text"]),
    "number for a list": ("levels: 3", ["2:9: 'levels' must be a list, not the number 3"]),
    "list for a mapping": ("array: [1]", ["2:8: 'array' must be a mapping, not a list"]),
    "mapping for a dict": ("energy: x", ["2:9: 'energy' must be a mapping, not the text 'x'"]),
    "mapping for a list": ("lines: {a: 1}", ["2:8: 'lines' must be a list, not a mapping"]),
    "too small": (
        "levels: [{name: rf, capacity_kib: -3}]",
        ["2:35: 'capacity_kib' is -3; expected a number > 0"],
    ),
    "too large": (
        "levels: [{name: rf, capacity_kib: 1e13}]",
        ["2:35: 'capacity_kib' is 10000000000000; expected a number <= 1e+12"],
    ),
    "infinite": (
        "levels: [{name: rf, capacity_kib: .inf}]",
        ["2:35: 'capacity_kib' is inf; expected a finite number"],
    ),
    "below": ("array: {rows: 0}", ["2:15: 'rows' is 0; expected a number >= 1"]),
    "not below": ("array: {rows: 1000}", ["2:15: 'rows' is 1000; expected a number < 1000"]),
    "odd": ("array: {rows: 3}", ["2:15: 'rows' is 3; expected a multiple of 2"]),
    "choice": (
        LEVEL + "kind: sam}]",
        ["2:73: 'kind' is 'sam'; expected 'sram' or 'dram'; did you mean 'sram'?"],
    ),
    "choice of numbers": (
        LEVEL + "kind: 3}]",
        ["2:73: 'kind' is 3; expected 'sram' or 'dram'"],
    ),
    "enum": (
        "color: rd",
        ["2:8: 'color' is 'rd'; expected 'red' or 'blue'; did you mean 'red'?"],
    ),
    "union, near text": (
        LEVEL + "ports: unlimted}]",
        [
            "2:74: 'ports' is 'unlimted'; expected an integer or 'unlimited'; "
            "did you mean 'unlimited'?"
        ],
    ),
    "union, bound": (
        LEVEL + "ports: 0}]",
        ["2:74: 'ports' is 0; expected a number >= 1 or 'unlimited'"],
    ),
    "union, mapping": (
        "either: {rows: 2, col: 3}",
        ["2:19: unknown key 'col'; expected one of rows, cols; did you mean 'cols'?"],
    ),
    "union, own validator": (
        "either: {name: bad, capacity_kib: 2}",
        ["2:9: a level cannot be bad"],
    ),
    "short tuple": ("shape: [1]", ["2:8: 'shape' has too few entries (1)"]),
    "long tuple": (
        "shape: [1, 2, 3]",
        ["2:8: 'shape' has too many entries (3); expected at most 2"],
    ),
    "empty list": ("lines: []", ["2:8: 'lines' has too few entries (0); expected at least 1"]),
    "short text": (
        "levels: [{name: '', capacity_kib: 1}]",
        ["2:17: 'name' is too short; expected at least 1 characters"],
    ),
    "long text": (
        "levels: [{name: abcdefghi, capacity_kib: 1}]",
        ["2:17: 'name' is too long; expected at most 8 characters"],
    ),
    "pattern": (
        "levels: [{name: A, capacity_kib: 1}]",
        ["2:17: 'name' has the wrong form; expected a text that matches ^[a-z]+$"],
    ),
    "own error": ("levels: [{name: bad, capacity_kib: 1}]", ["2:10: a level cannot be bad"]),
    "own problems": (
        "levels: [{name: worse, capacity_kib: 1}]",
        ["2:10: one; expected two; did you mean 'three'?", "g:9:9: x"],
    ),
    "in order, once": (
        "shape: [x, y]\narray: {rows: x}\nlines: [1, 1]",
        [
            "2:9: 'shape[0]' must be an integer, not the text 'x'",
            "2:12: 'shape[1]' must be an integer, not the text 'y'",
            "3:15: 'rows' must be an integer, not the text 'x'",
            "4:9: 'lines[0]' must be true or false, not the number 1",
            "4:12: 'lines[1]' must be true or false, not the number 1",
        ],
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_fault(case):
    text, expected = FAULTS[case]
    document = parse_yaml(f"name: x\n{text}\n", "f")
    with pytest.raises(InputError) as caught:
        validate(document, Hardware, what="hardware file")
    assert [str(problem).removeprefix("f:") for problem in caught.value.problems] == expected
    with pytest.raises(InputError) as caught:
        validate_data(document.data, Hardware, what="hardware file")
    assert len(caught.value.problems) == len(expected)
    assert all(
        str(p).removeprefix("g:9:9: ").startswith("hardware file: ") for p in caught.value.problems
    )


@pytest.mark.parametrize(
    ("data", "type_", "message"),
    [
        ([1], Hardware, "w: the whole must be a mapping, not a list"),
        (
            {"name": "x", "levels": [{"name": "a", "capacity_kib": "x"}]},
            Hardware,
            "w: 'levels[0].capacity_kib' must be a number, not the text 'x'",
        ),
        ({"name": "x", "array": {}}, Hardware, "w: missing key 'array.rows'"),
        (
            {"name": "x", "array": {"rows": 2, "row": 2}},
            Hardware,
            "w: unknown key 'array.row'; expected one of rows, cols; did you mean 'rows'?",
        ),
        (
            {"name": "x", "levels": ({"name": "bad", "capacity_kib": 1},)},
            Hardware,
            "w: 'levels[0]': a level cannot be bad",
        ),
        ({"a": {1: 2}}, dict, "w: 'a' has the key 1, which is not a text"),
        ([{1}], list, "w: '[0]' is of the type set; expected plain data"),
        ([10**40], list[int], "w: '[0]' has more than 40 digits"),
        ("x\ud800", int, "w: the whole has the character U+D800, which is none; expected a text"),
        (["a", {"b": "\udfff"}], list, "w: '[1].b' has the character U+DFFF, which is none"),
        ({"a\ud800": 1}, dict, "w: the whole has the character U+D800, which is none"),
        (
            "x",
            Annotated[int, "i"] | Annotated[float, "f"],
            "w: the whole is 'x'; expected an integer",
        ),
        ("p", bytes | int, ""),
        ({"a": {"x": 1}}, dict[str, Literal["y"] | Array], "w: missing key 'a.rows'"),
    ],
)
def test_plain_data(data, type_, message):
    if not message:
        assert validate_data(data, type_, what="w") == b"p"
        return
    with pytest.raises(InputError) as caught:
        validate_data(data, type_, what="w")
    assert str(caught.value).startswith(message)


def test_root_of_a_file():
    with pytest.raises(InputError) as caught:
        validate(parse_yaml("- 1", "f"), Hardware, what="hardware file")
    assert str(caught.value) == "f:1:1: the hardware file must be a mapping, not a list"


def test_data_that_contains_itself():
    data = []
    data.append(data)
    with pytest.raises(InputError, match="w: nested more than 100 levels deep"):
        validate_data(data, list, what="w")


def test_many_valid_keys_are_not_listed():
    names = {f"key_{i}": (int, 0) for i in range(25)}
    model = type(
        "Model",
        (BaseModel,),
        {"__annotations__": dict.fromkeys(names, int), "model_config": STRICT},
    )
    with pytest.raises(InputError) as caught:
        validate_data(dict.fromkeys(names, 1) | {"key_x": 1}, model, what="w")
    (problem,) = caught.value.problems
    assert problem.expected == ""
    assert problem.suggestion.startswith("key_")


KEYS = ["name", "levels", "array", "rows", "cols", "either", "layers", "op", "kernel", "x", "shape"]
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.floats()
    | st.sampled_from(["a", "conv", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=30,
)


def problems_of(data):
    try:
        validate_data(data, Hardware, what="w")
    except InputError as error:
        return error.problems
    return ()


@given(st.dictionaries(st.sampled_from(KEYS), DATA))
@settings(deadline=None)
def test_nothing_but_input_errors(data):
    for problem in problems_of(data):
        assert "pydantic" not in str(problem)
        assert "Input should" not in problem.message
