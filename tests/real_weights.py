"""Trained weights beside the repository, which tests use where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def real_file(name: str) -> Path:
    """A file of trained weights; skips the test where there is none."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    return path
