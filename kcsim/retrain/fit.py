"""A loop of training that goes on where it was interrupted, to the same result."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.reading.arguments import checked
from kcsim.retrain.checkpoint import (
    Checkpoint,
    fingerprint,
    random_states,
    set_random_states,
    state_hash,
)
from kcsim.retrain.images import Images
from kcsim.retrain.norms import estimate_norms
from kcsim.retrain.penalty import KMeansPenalty
from kcsim.retrain.pruning import MagnitudePruning
from kcsim.retrain.recipe import Recipe
from kcsim.retrain.tie import Tied
from kcsim.retrain.torch_extra import nn, torch

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fit:
    """What a run of training did.

    Attributes
    ----------
    losses : tuple of float
        The loss of each step.
    resumed_at : int
        The step that it went on from; 0 if it started anew.
    """

    losses: tuple[float, ...]
    resumed_at: int = 0


@checked
def fit(
    model: nn.Module | Tied,
    images: Images,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    teacher: nn.Module | None = None,
    penalty: KMeansPenalty | None = None,
    pruning: MagnitudePruning | None = None,
    norms: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Train a model, tied or not.

    Nothing in it is special: any loop of torch that calls ``tied.step(optimizer)`` (and, if there
    are any, those of a penalty and of a pruning) after the optimizer's does as well.

    Parameters
    ----------
    model : nn.Module or Tied
        It is trained in place, on the device that it is on.
    images : Images
    recipe : Recipe, optional
    seed : int
        Of the order of images, of their variations, and of torch in this loop.
    teacher : nn.Module, optional
        A network whose scores are learned beside the labels, as the dense one.
    penalty : KMeansPenalty, optional
        Added to the loss.
    pruning : MagnitudePruning, optional
    norms : bool
        Whether batch norms are estimated anew in the end, on as many images as the recipe says.
    checkpoint : str or path, optional
        A file that everything is written to now and then. If it is there, the run goes on from it
        to the same result, bit for bit, as if it had never stopped.
    progress : callable, optional
        Called with the number of steps done and of all.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        If the checkpoint is that of another run, or the loss is not finite any more.
    """
    recipe = recipe or Recipe()
    run = _Run(model, images, recipe, seed, teacher, penalty, pruning)
    steps = images.steps(recipe.batch) * recipe.epochs
    if penalty is not None and penalty.total_rate is None:
        penalty.total_rate = recipe.total_rate(steps)
    file = None
    if checkpoint is not None:
        file = Checkpoint(checkpoint, fingerprint(run.module, recipe, images, seed, run.settings()))
    devices = [] if run.device.type == "cpu" else [run.device]
    modes = {module: module.training for module in run.module.modules()}
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        resumed = run.resume(file)
        run.module.train()
        for step in range(resumed, steps):
            run.step(step, steps)
            if progress:
                progress(step + 1, steps)
            if file is not None:
                file.save(run.state, is_last=step + 1 == steps)
    for module, mode in modes.items():
        module.training = mode
    if norms and recipe.norm_images:
        estimate_norms(run.module, images, recipe.norm_images, seed)
    return Fit(tuple(run.losses), resumed)


class _Run:
    """A run between its steps."""

    def __init__(
        self,
        model: nn.Module | Tied,
        images: Images,
        recipe: Recipe,
        seed: int,
        teacher: nn.Module | None,
        penalty: KMeansPenalty | None,
        pruning: MagnitudePruning | None,
    ) -> None:
        self.tied = model if isinstance(model, Tied) else None
        self.module = model.model if isinstance(model, Tied) else model
        self.images, self.recipe, self.seed = images, recipe, seed
        self.teacher = None if teacher is None else teacher.eval()
        self.penalty, self.pruning = penalty, pruning
        self.losses: list[float] = []
        parameters = [each for each in self.module.parameters() if each.requires_grad]
        if not parameters:
            raise InputError(Problem("the model has nothing to train", "trainable parameters"))
        self.device = parameters[0].device
        groups: list[dict[str, Any]] = [{"params": parameters, "lr": recipe.lr}]
        if self.tied is not None:
            groups = self.tied.parameter_groups(recipe.lr, **recipe.factors)
        self._rates = [group["lr"] for group in groups]
        self.optimizer = recipe.make_optimizer(groups)

    def step(self, step: int, steps: int) -> None:
        """One step of the optimizer and of all that follows it."""
        scale = self.recipe.rate(step, steps)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * scale
        images, labels = self.images.training_batch(self.recipe.batch, self.seed, step)
        images, labels = images.to(self.device), labels.to(self.device)
        target = None
        is_half = self.recipe.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_half):
            if self.teacher is not None and self.recipe.distillation:
                with torch.no_grad():
                    target = self.teacher(images)
            scores = self.module(images)
        self.optimizer.zero_grad()
        loss = self.recipe.loss(scores, labels, target)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.penalty is not None:
            self.penalty.add_gradients()
        self.optimizer.step()
        for part in (self.penalty, self.pruning):
            if part is not None:
                part.step()
        if self.tied is not None:
            self.tied.step(self.optimizer)
        self.losses.append(float(loss.detach()))
        if not self.losses[-1] < float("inf"):
            what = f"the loss is {self.losses[-1]} at step {step}"
            raise InputError(Problem(what, f"a learning rate below {self.recipe.lr:g}"))

    def settings(self) -> list[str]:
        """What else makes this run what it is."""
        given = [str(self.tied.settings) if self.tied else "", state_hash(self.teacher)]
        if self.penalty is not None:
            one = self.penalty
            given += [str(one.clustering), one.reading, str(one.strength), str(one.refresh)]
        if self.pruning is not None:
            given += [str(self.pruning.shares), str(self.pruning.steps), str(self.pruning.every)]
        return given

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on."""
        return {
            "model": self.tied.state_dict() if self.tied else self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random_states(self.device),
            "penalty": self.penalty.state_dict() if self.penalty else None,
            "pruning": self.pruning.state_dict() if self.pruning else None,
            "losses": self.losses,
        }

    def resume(self, file: Checkpoint | None) -> int:
        """The step to go on from, after a look at the checkpoint."""
        state = None if file is None else file.load()
        if state is None:
            return 0
        (self.tied or self.module).load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        set_random_states(self.device, state["random"])
        for part, name in ((self.penalty, "penalty"), (self.pruning, "pruning")):
            if part is not None:
                part.load_state_dict(state[name])
        self.losses = list(state["losses"])
        return len(self.losses)
