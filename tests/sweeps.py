"""Small spaces for tests, and runs of them in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

SMALL: dict[str, Any] = {
    "hardware": "simple",
    "networks": ["lenet5"],
    "clusterings": ["none", "kernel:k={k},scope=layer"],
    "parameters": {"k": [16, 64]},
    "axes": {
        "levels.buffer.capacity": {"log2": ["16 KiB", "64 KiB"]},
        "levels.register file.capacity": ["128 B", "512 B"],
    },
}
"""18 points: 6 hardware designs, dense and with two clusterings."""

_RUN = """
    import sys
    from kcsim.exploration.explore import explore
    if __name__ == "__main__":
        explore(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]))
"""


def write_sweep(path: Path, space: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(space, sort_keys=False))
    return path


def start(sweep: Path, folder: Path, workers: int = 2, **kwargs: Any) -> subprocess.Popen[bytes]:
    """An exploration in a process of its own."""
    root = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    code = textwrap.dedent(_RUN)
    command = [sys.executable, "-c", code, str(sweep), str(folder), str(workers)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **kwargs
    )


def results(folder: Path, table: str = "points.parquet") -> pd.DataFrame:
    """The final table, sorted, without columns of time."""
    frame = pd.read_parquet(folder / table)
    keys = ["point", "number"] if "number" in frame.columns else ["point"]
    times = [name for name in frame.columns if name.endswith("_seconds")]
    return frame.drop(columns=times).sort_values(keys, ignore_index=True)
