"""Puts this folder on the import path, for `oracle` and `reference`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

# A cache of compiled kernels for every state of their sources: Numba would not
# notice an edit of a file from which a kernel takes helpers.
if "NUMBA_CACHE_DIR" not in os.environ:
    sources = sorted((Path(__file__).parent.parent / "kcsim" / "kernels").glob("*.py"))
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"kcsim-kernels-{state}")
