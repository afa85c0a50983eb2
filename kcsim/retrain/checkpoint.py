"""A file that a run of training goes on from."""

from __future__ import annotations

import hashlib
import io
import os
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kcsim.errors import InputError, Problem
from kcsim.reading.files import check_writable, write_whole
from kcsim.retrain.images import Images
from kcsim.retrain.recipe import Recipe
from kcsim.retrain.torch_extra import nn, torch

LEAST_SECONDS, LARGEST_SHARE = 10.0, 0.02
"""Between two writings, and of the time that they may take."""
FORMAT = "kcsim.checkpoint/2"


class Checkpoint:
    """The state of one run in a file of torch, which is loaded without running code.

    Parameters
    ----------
    path : str or path
    run : str
        What tells this run from others, as of `fingerprint`.

    Raises
    ------
    InputError
        If the file could not be written.
    """

    def __init__(self, path: str | os.PathLike[str], run: str) -> None:
        check_writable(path)
        self._path, self._run = Path(path), run
        self._next = time.monotonic() + LEAST_SECONDS

    def load(self) -> dict[str, Any] | None:
        """The state of the file, or ``None`` where there is no file.

        Raises
        ------
        InputError
            If it is no checkpoint, or that of another run.
        """
        if not self._path.exists():
            return None
        try:
            saved = torch.load(self._path, map_location="cpu", weights_only=True)
            is_ours = saved["format"] == FORMAT
        # What torch raises on bad bytes is of any kind.
        except Exception:
            is_ours, saved = False, {}
        if not is_ours:
            raise InputError(Problem(f"'{self._path}' is no checkpoint of kcsim", "another name"))
        if saved["run"] != self._run:
            what = f"'{self._path}' is the checkpoint of another run"
            raise InputError(Problem(what, "the same data, model and settings, or another name"))
        state: dict[str, Any] = saved["state"]
        return state

    def save(self, state: Callable[[], dict[str, Any]], *, is_last: bool) -> None:
        """Write the state, if it is time or the run is over."""
        started = time.monotonic()
        if started < self._next and not is_last:
            return
        content = io.BytesIO()
        torch.save({"format": FORMAT, "run": self._run, "state": state()}, content)
        write_whole(self._path, content.getvalue())
        ended = time.monotonic()
        self._next = ended + max(LEAST_SECONDS, (ended - started) / LARGEST_SHARE)


def fingerprint(
    model: nn.Module, recipe: Recipe, images: Images, seed: int, settings: Iterable[str]
) -> str:
    """What a run depends on, in a few characters: its start, its data and its settings."""
    digest = hashlib.sha256(repr((recipe, seed, list(settings))).encode())
    pixels = zlib.crc32(images.pixels.tobytes())
    labels = zlib.crc32(images.labels.tobytes())
    digest.update(repr((images.pixels.shape, pixels, labels, images.preparation)).encode())
    digest.update(state_hash(model).encode())
    return digest.hexdigest()[:32]


def state_hash(model: nn.Module | None) -> str:
    """A name for all values of a model; empty for none."""
    if model is None:
        return ""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of torch's random numbers, those of a GPU included."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(device: torch.device, states: dict[str, torch.Tensor]) -> None:
    """Go on from what `random_states` gave."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
