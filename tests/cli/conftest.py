from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from kcsim.cli.main import run


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def kcsim(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Run the command in this process: ``kcsim("estimate", "--hw", "eyeriss.yaml")``."""

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["kcsim", *map(str, arguments)])
        code = 0
        try:
            run()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
