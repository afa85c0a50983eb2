"""Reading YAML: values, places, and everything that is refused."""

import json
import math
import os
import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kcsim.errors import InputError
from kcsim.reading import source
from kcsim.reading.source import parse_yaml, read_yaml
from kcsim.reading.yaml_syntax import OTHER

LOADERS = [yaml.SafeLoader] + ([yaml.CSafeLoader] if hasattr(yaml, "CSafeLoader") else [])


def refusal(text, file="f"):
    with pytest.raises(InputError) as caught:
        parse_yaml(text, file)
    return [str(problem) for problem in caught.value.problems]


PLAIN_TEXTS = """
    off yes no on Y N y n tRUE nULL 1:30 1_000 0b1 -0x1F 0o8 0x .nAn inf nan 1e 2026-01-02 .
"""
SCALARS = {
    "0": 0,
    "-12": -12,
    "+3": 3,
    "0777": 777,
    "0o17": 15,
    "0x1F": 31,
    "200e6": 200e6,
    "1e-12": 1e-12,
    "1.": 1.0,
    ".5": 0.5,
    "-1.5E+3": -1500.0,
    ".inf": math.inf,
    "-.INF": -math.inf,
    "+.Inf": math.inf,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "": None,
    "!!str 12": "12",
    "!!str": "",
    "!!int '12'": 12,
    "!!float 1.5": 1.5,
    "!!bool true": True,
    "!!null ''": None,
    "!!seq [1]": [1],
    "!!map {a: 1}": {"a": 1},
    "'12'": "12",
    '"true"': "true",
    "''": "",
    "|\n  12\n": "12\n",
    ">-\n  true\n": "true",
    '"a\\tb\\u00e9"': "a\tbé",
    **{text: text for text in PLAIN_TEXTS.split()},
    "\u0661\u0662": "\u0661\u0662",
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", SCALARS)
def test_scalar_of_yaml_1_2(text, loader, monkeypatch):
    monkeypatch.setattr(source, "_LOADER", loader)
    value = parse_yaml(f"a: {text}").data["a"]
    assert value == SCALARS[text]
    assert type(value) is type(SCALARS[text])


def test_not_a_number():
    assert all(math.isnan(x) for x in parse_yaml("[.nan, .NaN, .NAN, !!float .nan]").data)


def test_whole_texts():
    assert parse_yaml("\ufeff--- 3 # x\n...\n").data == 3
    assert parse_yaml("null").data is None
    assert parse_yaml("%YAML 1.2\n---\nN: 1\nY: yes\n'<<': 2").data == {"N": 1, "Y": "yes", "<<": 2}
    assert parse_yaml("&a [1]").data == [1]


REFUSED = {
    "empty": ("", "f:1:1: file is empty"),
    "comments only": ("# x\n\n", "f:1:1: file is empty"),
    "empty document": ("---\n", "f:1:1: file is empty"),
    "two documents": ("a: 1\n---\nb: 2", "f:2:1: a second document starts here; expected only one"),
    "tab below key": ("a:\n\tb: 1\n", "f:2:1: a tab is used for indentation; expected spaces"),
    "tab after spaces": ("a:\n  b: 1\n  \tc: 1", "f:3:3: a tab is used for indentation; "),
    "colon": (
        "a: b: c",
        "f:1:5: not valid YAML: ':' cannot stand here "
        "(wrong indentation, or a text without quotes)",
    ),
    "indentation": (
        "a:\n  - 1\n b: 2",
        "f:3:2: not valid YAML: wrong indentation, or something left over after a value "
        "(in what starts on line 1)",
    ),
    "open list": (
        "a: [1, 2\nb: 3",
        "f:2:2: not valid YAML: ',' or ']' is missing (in what starts on line 1)",
    ),
    "open mapping": ("{a: 1", "f:1:6: not valid YAML: ',' or '}' is missing"),
    "open quotes": (
        "a: 'x\nb: 1",
        "f:2:5: not valid YAML: the quotes are never closed (in what starts on line 1)",
    ),
    "key without colon": (
        "a: 1\nb\nc: 2",
        "f:3:1: not valid YAML: a key without ':', or a text over two lines that needs "
        "indentation (in what starts on line 2)",
    ),
    "at sign": (
        "a: @x",
        "f:1:4: not valid YAML: a text that starts with this character needs quotes",
    ),
    "yaml 3": ("%YAML 3.0\n---\na: 1", "f:1:1: not valid YAML: a version of YAML other than 1"),
    "directive": ("%YAML x\n---\na: 1", "f:1:7: not valid YAML: a wrong directive (a text"),
    "tag without end": (
        "a: !<x",
        "f:1:7: not valid YAML: a wrong tag (a text",
    ),
    "unknown prefix of a tag": (
        "a: !b!c d",
        "f:1:4: not valid YAML: a wrong tag (a text",
    ),
    "star": (
        "a: * 2",
        "f:1:5: not valid YAML: a name is missing after '*' (a text",
    ),
    "ampersand": (
        "a: & b",
        "f:1:5: not valid YAML: a name is missing after '&' (a text",
    ),
    "greater": (
        "a: >b",
        "f:1:5: not valid YAML: '|' or '>' with something else behind it",
    ),
    "digits of an escape": ('a: "\\x4"', "f:1:7: not valid YAML: a wrong escape after '\\' in "),
    "dash": (
        "a: - b",
        "f:1:4: not valid YAML: '-' cannot stand here (wrong indentation, ",
    ),
    "question mark": ("a: ? b", "f:1:4: not valid YAML: '?' cannot stand here (wrong"),
    "closing bracket": ("a: ]", "f:1:4: not valid YAML: a value is missing"),
    "after the end": (
        "a: 1\n... b",
        "f:2:5: not valid YAML: wrong indentation, or something",
    ),
    "unknown alias": (
        "capa: &cap 1\nb: *kap",
        "f:2:4: no anchor '&kap' before this alias; did you",
    ),
    "recursion": ("a: &x [*x]", "f:1:8: the anchor '&x' contains itself"),
    "merge": (
        "a: &b {c: 1}\nd:\n  <<: *b",
        "f:3:3: merge keys ('<<') are not supported; expected every key written out",
    ),
    "int key": ("a: 1\n2: 3", "f:2:1: key must be a text, not the number 2; expected the key in q"),
    "bool key": ("true: 3", "f:1:1: key must be a text, not true; expected the key in quotes"),
    "null key": ("~: 3", "f:1:1: key must be a text, not nothing (null); expected the key in "),
    "list key": ("[1]: 3", "f:1:1: key must be a text, not a list"),
    "mapping key": ("? {a: 1}\n: 3", "f:1:3: key must be a text, not a mapping"),
    "aliased key": ("a: &x 3\n*x : 4", "f:2:1: key must be a text, not the number 3"),
    "duplicate": ("a: 1\nb: 1\na: 2", "f:3:1: duplicate key 'a', first given on line 1"),
    "python tag": (
        "a: !!python/object/apply:os.system [x]",
        "f:1:4: the tag '!!python/object/apply:os.system' is not allowed for a list",
    ),
    "binary tag": ("!!binary aGk=", "f:1:1: the tag '!!binary' is not allowed for a single value"),
    "own tag": ("a: !foo {b: 1}", "f:1:4: the tag '!foo' is not allowed for a mapping"),
    "tag of another": ("a: !!map [1]", "f:1:4: the tag '!!map' is not allowed for a list"),
    "bare tag": ("a: ! 12", "f:1:4: the tag '!' is not allowed for a single value"),
    "unfit tag": ("a: !!int x", "f:1:4: the text 'x' does not fit the tag !!int"),
    "float for int tag": ("a: !!int 1.5", "f:1:4: the text '1.5' does not fit the tag !!int"),
    "long int": ("a: " + "9" * 41, "f:1:4: the number 9999999999... has more than 40 digits"),
    "large float": ("a: 1e999", "f:1:4: the number 1e999 is too large"),
    "control character": ("b\r\na: x\x07", "f:2:5: the character U+0007 is not allowed"),
    "nul": ("\0", "f:1:1: the character U+0000 is not allowed"),
    "bidi mark": ("a: x\u202e", "f:1:5: the character U+202E is not allowed"),
    "surrogate": ("a: \ud800", "f:1:4: the character U+D800 is not allowed"),
    "escaped nul": ('a: "\\0"', "f:1:4: the character U+0000 is not allowed in a text"),
    "nested lists": ("[" * 100_000, "f:1:51: nested more than 50 levels deep"),
    "nested mappings": ("{a: " * 1000, "f:1:198: nested more than 50 levels deep"),
    "nested keys": ("? " * 1000, "f:1:101: nested more than 50 levels deep"),
    "nested aliases": (
        "- &a0 x\n" + "".join(f"- &a{i} [*a{i - 1}]\n" for i in range(1, 60)),
        "f:50:9: nested more than 50 levels deep",
    ),
    "billion laughs": (
        "- &a0 x\n" + "".join(f"- &a{i} [{f'*a{i - 1},' * 9}]\n" for i in range(1, 40)),
        "f:7:",
    ),
    "many values": ("[" + "1," * 100_001 + "]", "f:1:200000: more than 100000 values, aliases "),
    "large text": ("#" * 2_000_001, "'f' is too large; expected at most 2 MB"),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("case", REFUSED)
def test_refusal(case, loader, monkeypatch):
    monkeypatch.setattr(source, "_LOADER", loader)
    text, message = REFUSED[case]
    start = time.monotonic()
    problems = refusal(text)
    assert len(problems) == 1
    assert problems[0].startswith(message)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("exceeded maximum nesting depth", "f:1:51: nested more than 50 levels deep"),
        ("no word of this is known", "f:1:8: not valid YAML: unreadable from here on"),
        (None, "f:1:8: not valid YAML: unreadable from here on"),
    ],
)
def test_words_of_the_library_are_never_shown(words, message, monkeypatch):
    class GivesUp(yaml.SafeLoader):
        def check_event(self, *choices):
            raise yaml.MarkedYAMLError(None, None, words, yaml.Mark("", 7, 0, 7, None, None))

    monkeypatch.setattr(source, "_LOADER", GivesUp)
    assert refusal("[" * 100) == [message]


@pytest.mark.parametrize("loader", LOADERS)
@given(text=st.text("[]{}:,-?&*!|>'\"%@`#\\ \n\tabx1.", max_size=30))
def test_every_error_of_syntax_is_known(loader, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_LOADER", loader)
        problems = problems_of(text)
    assert not any(OTHER in problem.message for problem in problems)


def test_all_problems_at_once_and_in_order():
    text = "a: !x 1\n1: {b: 1, b: 2}\na: 3\n? 'c\n\n  d'\n: 1\n\"c\\nd\": 1\ne: [\n"
    assert refusal(text) == [
        "f:1:4: the tag '!x' is not allowed for a single value",
        "f:2:1: key must be a text, not the number 1; expected the key in quotes",
        "f:2:11: duplicate key 'b', first given on line 2",
        "f:3:1: duplicate key 'a', first given on line 1",
        r"f:8:1: duplicate key 'c\nd', first given on line 4",
        "f:10:1: not valid YAML: a value is missing",
    ]


TEXT = "name: x\nlevels:\n  - name: rf\n    size: 3\n  - &b {name: 'glb', size: 4}\nmore: *b\n"


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        ((), False, "1:1"),
        (("name",), False, "1:7"),
        (("name",), True, "1:1"),
        (("levels",), True, "2:1"),
        (("levels",), False, "3:3"),
        (("levels", 0), False, "3:5"),
        (("levels", 0, "size"), False, "4:11"),
        (("levels", 0, "size"), True, "4:5"),
        (("levels", 1), True, "5:5"),
        (("levels", 1, "size"), True, "5:22"),
        (("more",), False, "6:7"),
        (("more", "size"), False, "5:28"),
        (("levels", 0, "none"), False, "3:5"),
        (("levels", 0, "none"), True, "3:5"),
        (("levels", 7, "name"), False, "3:3"),
        (("levels", "x"), False, "3:3"),
        (("name", 0), False, "1:7"),
        (("none", "x"), True, "1:1"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_mark(path, key, place, newline):
    document = parse_yaml(TEXT.replace("\n", newline), "hw.yaml")
    mark = document.mark(path, key=key)
    assert str(mark) == f"hw.yaml:{place}"
    assert mark.text == TEXT.splitlines()[mark.line - 1]


def test_problem_carries_everything():
    problem = parse_yaml("a: 1", "f").problem(("a",), "m", expected="e", suggestion="s", key=True)
    assert str(problem) == "f:1:1: m; expected e; did you mean 's'?"


def test_aliases_do_not_share_data():
    data = parse_yaml("[&a [1], *a, &a 2, *a]").data
    data[0].append(3)
    assert data == [[1, 3], [1], 2, 2]


def read_refusal(path):
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    (problem,) = caught.value.problems
    return str(problem)


def test_read_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffa: é\r\n".encode())
    document = read_yaml(path)
    assert document.file == str(path)
    assert document.data == {"a": "é"}


def test_missing_file(tmp_path):
    (tmp_path / "eyeriss.yaml").write_text("a: 1")
    near = tmp_path / "eyeris.yaml"
    message = f"no such file: '{near}'; did you mean '{tmp_path / 'eyeriss.yaml'}'?"
    assert read_refusal(near) == message
    assert read_refusal(tmp_path / "zzz") == f"no such file: '{tmp_path / 'zzz'}'"
    assert read_refusal(tmp_path / "no" / "zzz").startswith("no such file")


def test_unreadable_files(tmp_path, monkeypatch):
    assert read_refusal(tmp_path) == f"'{tmp_path}' is a directory; expected a file"
    assert read_refusal("") == "no such file: ''"
    assert read_refusal("a\0b") == "a file name cannot contain the character U+0000"
    assert read_refusal("a" * 5000).endswith("file name too long")
    os.mkfifo(tmp_path / "pipe")
    assert read_refusal(tmp_path / "pipe").endswith("is not a regular file; expected a file")
    large = tmp_path / "large"
    large.write_bytes(b"#" * 2_000_001)
    assert read_refusal(large) == f"'{large}' is too large; expected at most 2 MB"

    def denied(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    assert read_refusal(large) == f"cannot read '{large}': permission denied"


def test_other_encoding(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffa: 1\r\nb: é".encode() + b"\xff\n")
    message = f"{path}:2:5: the byte 0xFF is not UTF-8; expected a text in UTF-8"
    assert read_refusal(path) == message
    path.write_bytes("a: 1".encode("utf-16"))
    assert read_refusal(path).startswith(f"{path}:1:1: the byte 0xFF is not UTF-8")


CHARACTERS = st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_categories=["Cc", "Cf"])
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS | st.just("\n")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(CHARACTERS, max_size=60), inner, max_size=4)
    ),
    max_leaves=20,
)


def everywhere(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for step, child in items:
        yield from everywhere(child, (*path, step))


class QuotingDumper(yaml.SafeDumper):
    """Quotes all texts: PyYAML leaves those bare that are numbers only in YAML 1.2."""


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@given(PLAIN, st.sampled_from([None, True, False]))
@settings(deadline=None)
@example({"0E0": None}, None)
def test_dumped_data_reads_back(data, style):
    text = yaml.dump(data, Dumper=QuotingDumper, default_flow_style=style, allow_unicode=True)
    document = parse_yaml(text)
    assert document.data == data
    for path in everywhere(data):
        mark = document.mark(path)
        assert mark.text == text.split("\n")[mark.line - 1]
        assert 1 <= mark.column <= len(mark.text) + 1


@given(PLAIN)
@settings(deadline=None)
def test_json_reads_back(data):
    assert parse_yaml(json.dumps(data)).data == data
    assert parse_yaml(json.dumps(data, indent=2, ensure_ascii=False)).data == data


ANYTHING = st.text() | st.text(st.sampled_from("ab1 \n\t:-?[]{},&*!|>'\"%@#<~.\\"))


def problems_of(text):
    try:
        parse_yaml(text)
    except InputError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("loader", LOADERS)
@given(text=ANYTHING)
@settings(deadline=5000, max_examples=200)
def test_any_text_is_read_or_refused(loader, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_LOADER", loader)
        problems = problems_of(text)
    assert all(problem.mark and problem.with_excerpt() for problem in problems)
