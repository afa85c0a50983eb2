"""Installations and homes that cannot be written to: all works, and what is not kept is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kcsim as package

pytestmark = pytest.mark.skipif(os.name == "nt", reason="places files as POSIX does")
PACKAGE = Path(package.__file__).parent


@pytest.fixture
def installed(tmp_path):
    """A copy of the package in which no kernels can be kept, and a home that is none."""
    shutil.copytree(PACKAGE, tmp_path / "kcsim", ignore=shutil.ignore_patterns("__pycache__"))
    if not (tmp_path / "kcsim" / "hwconfigs").exists():
        shutil.copytree(PACKAGE.parent / "hwconfigs", tmp_path / "hwconfigs")
    # What no user can write to, not even root.
    (tmp_path / "kcsim" / "kernels" / "__pycache__").write_text("in the way")
    (tmp_path / "home").write_text("in the way")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def run(installed, *arguments, temporary="tmp"):
    code = "from kcsim.cli.main import run; run()"
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("NUMBA_CACHE_DIR", "KCSIM_CACHE_DIR", "XDG_CACHE_HOME")
    }
    environment |= {
        "PYTHONPATH": str(installed), "HOME": str(installed / "home"),
        "TMPDIR": str(installed / temporary), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True, text=True, cwd=installed, env=environment, timeout=300, check=False,
    )  # fmt: skip


MAP = ("map", "--hw", "simple", "--layer", "lenet5/conv1")


def test_kernels_are_kept_among_temporary_files_and_it_is_said(installed):
    first = run(installed, *MAP)
    assert first.returncode == 0, first.stderr
    results, kernels = first.stderr.splitlines()
    assert results.startswith("kcsim: results are not kept: '")
    assert "is no folder" in results
    assert "KCSIM_CACHE_DIR may name a folder" in results
    assert "compiling its kernels (up to a minute): kernels are kept in" in kernels
    (folder,) = (installed / "tmp").glob("kcsim-kernels-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    again = run(installed, *MAP)
    assert again.stdout == first.stdout
    assert again.stderr.splitlines() == [results], "nothing is compiled again"


def test_kernels_are_not_kept_where_others_may_write(installed):
    if os.geteuid() != 0:
        pytest.skip("needs to give a folder away")
    folder = installed / "tmp" / f"kcsim-kernels-{os.geteuid()}"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    outcome = run(installed, "evaluate", "--hw", "simple", "--layer", "lenet5/conv1",
                  "--mapping", str(mapping_file(installed)))  # fmt: skip
    assert outcome.returncode == 0, outcome.stderr
    (line,) = outcome.stderr.splitlines()
    assert "kernels are compiled in every run" in line
    assert "NUMBA_CACHE_DIR may name a folder" in line
    assert list(folder.rglob("*")) == []


def mapping_file(folder):
    path = folder / "mapping.yaml"
    path.write_text("levels:\n  - {level: DRAM, temporal: [M=20, P=24, Q=24, R=5, S=5]}\n")
    return path
