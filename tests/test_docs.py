"""What the pages show: their code and commands run, and what they name exists.

A page runs from its top to its end, in a folder that holds ``resnet20.pth``,
``alexnet_zeros.yaml`` and the ``sweeps`` of the docs. Comments in a page say what else its blocks
need: ``<!-- given: kcsim ... -->`` is run like a line of the page, ``<!-- not run: WHY -->`` leaves
out the block behind it, and ``<!-- slow: TIME -->`` unless slow tests are asked for.
"""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

import kcsim
from kcsim.cli.main import app, run

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("reports/*.md")]
SOURCES = [
    path
    for folder in ("kcsim", "benchmarks", "reports", ".ci")
    for path in (ROOT / folder).rglob("*.py")
]
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*PAGES, *SOURCES])
}
NOW = [name for name in TEXTS if name != "CHANGELOG.md"]
"""The changelog names what was, too."""
COMMANDS = get_command(app).commands

BLOCK = re.compile(
    r"^(?:<!-- (?P<apart>not run|slow): .+? -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$"
    r"|^<!-- given: (?P<given>.+?) -->$"
    r"|^ {4}(?P<line>kcsim .+?)$",
    re.DOTALL | re.MULTILINE,
)


def steps(page: str, apart: str | None = None) -> Iterator[tuple[str, str]]:
    """What a page runs, in order: ``python`` code, and lines of the ``shell``."""
    for block in BLOCK.finditer(TEXTS[page]):
        lines = block["given"] or block["line"] or block["body"]
        if block["apart"] != apart:
            continue
        if block["language"] == "python":
            yield "python", block["body"]
        elif not block["language"]:
            yield from (("shell", each) for each in lines.splitlines() if each[:6] == "kcsim ")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in: random weights of ResNet-20, shares of zeros, the sweeps of the docs."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "data" / "eyeriss_alexnet_zeros.yaml", "alexnet_zeros.yaml")
    for place in ("sweeps", "docs/sweeps"):
        shutil.copytree(ROOT / "docs" / "sweeps", place)
    torch = pytest.importorskip("torch")
    random, state = np.random.default_rng(0), {}
    for layer in kcsim.load_network("resnet20"):
        size = layer.kernel_height, layer.kernel_width
        weights = random.normal(size=(layer.out_channels, layer.in_channels, *size))
        state[f"{layer.name}.weight"] = torch.from_numpy(weights.astype("f4"))
    torch.save(state, "resnet20.pth")


@pytest.mark.parametrize(
    "page", [page for page in TEXTS if page.endswith(".md") and [*steps(page)]]
)
def test_code_and_commands_of_a_page_run(page, folder, monkeypatch):
    run_steps(steps(page), page, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in TEXTS if page.endswith(".md") and [*steps(page, "slow")]]
)
def test_what_takes_long_of_a_page_runs(page, folder, monkeypatch):
    run_steps(steps(page, "slow"), page, monkeypatch)


def run_steps(found: Iterator[tuple[str, str]], page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, object] = {}
    for kind, text in found:
        if kind == "python":
            exec(compile(text, page, "exec"), names)
        else:
            monkeypatch.setattr(sys, "argv", shlex.split(text, comments=True))
            with pytest.raises(SystemExit) as stop:
                run()
            assert stop.value.code == 0, text


@pytest.mark.parametrize(
    "source", [name for name in TEXTS if name[:6] == "kcsim/" and ">>>" in TEXTS[name]]
)
def test_examples_of_docstrings(source):
    name = source.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert (failed, tried > 0) == (0, True)


def exists(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one."""
    parts, found = name.split("."), None
    for position, part in enumerate(parts):
        if dataclasses.is_dataclass(found) and part in found.__dataclass_fields__:
            return position == len(parts) - 1
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(".".join(parts[: position + 1]))
            except ImportError:
                return False
    return True


def test_dotted_names_exist():
    pytest.importorskip("torch")  # some are in modules that need it
    # What stands before a slash is the name of a format.
    wrong = {
        (text, name)
        for text in NOW
        for name in re.findall(r"`(kcsim(?:\.\w+)+)(?:\(.*?\))?`", TEXTS[text])
        if not exists(name)
    }
    assert wrong == set()


def test_files_that_are_named_exist():
    folders = "kcsim|tests|docs|benchmarks|reports|hwconfigs|[.]ci"
    wrong = set()
    for text in NOW:
        named = re.findall(rf"\b((?:{folders})/[\w./-]+\.\w+)\b", TEXTS[text])
        linked = (
            re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", TEXTS[text]) if text.endswith(".md") else []
        )
        paths = {ROOT / each for each in named} | {(ROOT / text).parent / each for each in linked}
        wrong |= {(text, str(path)) for path in paths if not path.exists()}
    assert wrong == set()


def test_commands_that_are_named_exist_and_have_their_options():
    wrong = set()
    for text in NOW:
        for words in re.findall(r"[`'](kcsim [a-z][^`'\n]*)[`']", TEXTS[text]):
            name, *others = words.split()[1:]
            options = {each.partition("=")[0] for each in others if each.startswith("-")}
            command = COMMANDS.get(name)
            known = {option for each in command.params for option in each.opts} if command else ()
            if not command or not options <= {*known, "--help"}:
                wrong.add((text, words))
    assert wrong == set()


def test_the_rooms_are_those_of_the_import_contract():
    (drawn,) = re.findall(
        r"^```text\n(.*?)^```$", TEXTS["CONTRIBUTING.md"], re.DOTALL | re.MULTILINE
    )
    rooms = [line.split("  ")[0].replace(", ", " | ") for line in drawn.splitlines()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert rooms == project["tool"]["importlinter"]["contracts"][0]["layers"]
