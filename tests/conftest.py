"""Puts this folder on the import path, for `oracle` and `reference`."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from hypothesis import settings

# A gate must give the same answer twice; a developer's run looks for new cases.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("gate" if os.environ.get("CI") else "search")

# A cache of compiled kernels for every state of their sources: Numba would not
# notice an edit of a file from which a kernel takes helpers.
if "NUMBA_CACHE_DIR" not in os.environ:
    sources = sorted((Path(__file__).parent.parent / "kcsim" / "kernels").rglob("*.py"))
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"kcsim-kernels-{state}")

# Mappings that a test finds are kept for this session alone: not among the user's own, and none
# from earlier sessions, that would hide a search that fails. Subprocesses inherit it.
MAPPINGS = tempfile.TemporaryDirectory(prefix="kcsim-mappings-")
os.environ["KCSIM_CACHE_DIR"] = MAPPINGS.name
