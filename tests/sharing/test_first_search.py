"""The first search of a process: its time is that of searching."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import kcsim
from kcsim.sharing.phase_search import compile_kernels
from numba.core import event

class Listener(event.Listener):
    def on_start(self, event):
        raise SystemExit("compiled: " + str(event.data))

    def on_end(self, event):
        pass

compile_kernels()
with event.install_listener("numba:compile", Listener()):
    # Kernels of three rows, tables of several widths: loops are cut short.
    for execution in ("share_products", "share_sums"):
        kcsim.estimate(
            "ucnn_like", "lenet5", "kernel:k=5,scope=layer", execution=execution
        )
"""


@pytest.mark.slow
def test_nothing_is_compiled_once_the_clock_of_a_shared_search_runs(tmp_path):
    kept = {"NUMBA_CACHE_DIR": str(tmp_path / "numba"), "KCSIM_CACHE_DIR": str(tmp_path / "kept")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=os.environ | kept, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
