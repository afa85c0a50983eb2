"""Kernels that are compiled ahead are those that are needed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from kcsim.hardware.reader import load_hardware
from kcsim.kernels import compilation
from kcsim.kernels.count.counting import count_mapping
from kcsim.mapping.search import find_mapping
from kcsim.model.counts import compile_kernels, count_layer
from kcsim.workload.reader import load_layer


def test_what_is_compiled_ahead_counts_any_layer():
    compile_kernels()
    layer, hardware = load_layer("alexnet/conv1"), load_hardware("eyeriss")
    count_layer(layer, hardware, find_mapping(layer, hardware))
    assert len(count_mapping.signatures) == 1


def test_a_process_beside_runs_where_there_is_a_processor_for_it(tmp_path, monkeypatch):
    made = tmp_path / "made"
    code = f"open({str(made)!r}, 'w').close()"
    monkeypatch.setattr(compilation, "_processors", lambda: 1)
    compilation.run_beside(code)
    time.sleep(0.5)
    assert not made.exists()
    monkeypatch.setattr(compilation, "_processors", lambda: 2)
    compilation.run_beside(code)
    until = time.monotonic() + 60
    while not made.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no processors can be left out")
def test_processors_are_those_that_may_be_used():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    code += "; from kcsim.kernels.compilation import _processors; print(_processors())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"
