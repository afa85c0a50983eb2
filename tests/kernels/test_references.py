"""Helpers that count no references to arrays return none, as these would be freed twice."""

import subprocess
import sys

CODE = """
import importlib, pkgutil
from numba.core import types
from numba.core.registry import CPUDispatcher
import kcsim, kcsim.kernels

layer, hardware = kcsim.ConvLayer("x", 4, 4, 6, 6, 3, 3), kcsim.load_hardware("eyeriss")
mapping = kcsim.map_layer(layer, hardware).mapping
kcsim.replay_layer(layer, hardware, mapping)
kcsim.map_layer(kcsim.ConvLayer("x", 4, 5, 7, 7, 3, 3), hardware, imperfect=True, time_limit=1)
modules = pkgutil.walk_packages(kcsim.kernels.__path__, "kcsim.kernels.")
checked = 0
for module in [importlib.import_module(each.name) for each in modules]:
    for name, found in vars(module).items():
        if isinstance(found, CPUDispatcher) and found.targetoptions.get("_nrt") is False:
            for overload in found.overloads.values():
                returned = overload.signature.return_type
                parts = list(returned) if isinstance(returned, types.BaseTuple) else [returned]
                assert not any(isinstance(part, types.Array) for part in parts), name
                checked += 1
assert checked > 50, checked
"""


def test_helpers_without_reference_counts_return_no_arrays(tmp_path):
    # Functions that are loaded from a cache say nothing of the helpers within them.
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "KCSIM_CACHE_DIR": str(tmp_path / "kept")}
    subprocess.run([sys.executable, "-c", CODE], check=True, env=environment)
