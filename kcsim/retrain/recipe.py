"""How a network is retrained: optimizer, learning rates, distillation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from kcsim.errors import InputError, Problem, nearest
from kcsim.retrain.torch_extra import nn, torch

OPTIMIZERS = ("adam", "sgd")
PRECISIONS = ("float32", "bfloat16")
BETAS, MOMENTUM = (0.9, 0.999), 0.9


@dataclass(frozen=True)
class Recipe:
    """What a training run does, but for its data and its seed.

    Learning rates rise over the first steps, and then fall as half a cosine to 0.

    Parameters
    ----------
    epochs : int
    optimizer : str
        ``adam``, or ``sgd`` with a Nesterov momentum of 0.9.
    lr : float
        The largest learning rate.
    factors : dict of str to float
        What the rate is multiplied by, for ``codebook``, ``scales``, ``offsets`` and ``rest``.
    warmup_steps : int
    batch : int
        Images of a step.
    weight_decay : float
    distillation : float
        Share of the loss that is the divergence from a teacher's scores, where there is one
        (Hinton et al., Distilling the knowledge in a neural network, 2015); the rest is the cross
        entropy of the labels.
    temperature : float
        What scores are divided by for that.
    precision : str
        ``float32``, or ``bfloat16`` for activations while training (`torch.autocast`), where
        processors have it: about 1.7 times as fast on those that do. Weights, batch norms and all
        that is measured stay in single precision.
    norm_images : int
        Training images that batch norms are estimated on, before and after.

    Raises
    ------
    InputError
        If a value is out of its range.
    """

    epochs: int = 1
    optimizer: str = "adam"
    lr: float = 3e-3
    factors: dict[str, float] = field(default_factory=dict)
    warmup_steps: int = 20
    batch: int = 128
    weight_decay: float = 0.0
    distillation: float = 0.7
    temperature: float = 4.0
    precision: str = "float32"
    norm_images: int = 4000

    def __post_init__(self) -> None:
        problems = [
            Problem(f"{name} is {getattr(self, name)}", expected)
            for name, is_right, expected in (
                ("epochs", self.epochs >= 0, "at least 0"),
                ("lr", 0 < self.lr < math.inf, "above 0"),
                ("warmup_steps", self.warmup_steps >= 0, "at least 0"),
                ("batch", self.batch >= 1, "at least 1"),
                ("weight_decay", 0 <= self.weight_decay < math.inf, "at least 0"),
                ("distillation", 0 <= self.distillation <= 1, "from 0 to 1"),
                ("temperature", 0 < self.temperature < math.inf, "above 0"),
                ("norm_images", self.norm_images >= 0, "at least 0"),
            )
            if not is_right
        ]
        if self.optimizer not in OPTIMIZERS:
            near = nearest(self.optimizer, OPTIMIZERS)
            what = f"there is no optimizer {self.optimizer!r}"
            problems.append(Problem(what, " or ".join(OPTIMIZERS), near))
        if self.precision not in PRECISIONS:
            near = nearest(self.precision, PRECISIONS)
            what = f"there is no precision {self.precision!r}"
            problems.append(Problem(what, " or ".join(PRECISIONS), near))
        if problems:
            raise InputError(problems)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step over the largest one."""
        rising = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        return rising * 0.5 * (1 + math.cos(math.pi * step / steps))

    def total_rate(self, steps: int) -> float:
        """Sum of the learning rates of all steps, over 1 - momentum."""
        kept = 1 - MOMENTUM if self.optimizer == "sgd" else 1.0
        return self.lr * math.fsum(self.rate(step, steps) for step in range(steps)) / kept

    def make_optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimizer of parameter groups."""
        if self.optimizer == "sgd":
            return torch.optim.SGD(
                groups, momentum=MOMENTUM, nesterov=True, weight_decay=self.weight_decay
            )
        return torch.optim.Adam(groups, betas=BETAS, weight_decay=self.weight_decay)

    def loss(
        self, scores: torch.Tensor, labels: torch.Tensor, teacher: torch.Tensor | None
    ) -> torch.Tensor:
        """The loss of a batch, given the teacher's scores where there is one."""
        scores = scores.float()
        loss = nn.functional.cross_entropy(scores, labels)
        if teacher is None or self.distillation == 0:
            return loss
        ours, theirs = (
            (each / self.temperature).log_softmax(1) for each in (scores, teacher.float())
        )
        distance = nn.functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        # The square keeps gradients as large as those of the labels.
        share = self.distillation
        return (1 - share) * loss + share * self.temperature**2 * distance
