"""What a training step of tied weights costs beside a dense one, scheme by scheme.

Run ``python benchmarks/retraining.py``. Needs torch. Steps of both models take turns, each first in
every other pair, in CPU seconds of one thread. *ratio* is the median over the pairs, whose two
steps meet much the same of what else a machine does. Beside it stands what decoding and its
gradients take alone, at the least.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

import kcsim
from kcsim.retrain import Tied, tie
from kcsim.retrain.layers import arrays_of, places_of
from kcsim.retrain.models import make_model

SPECS = (
    # Convolutions alone, as in the reports.
    "scalar:k=4,dense=linear",
    "row:k=16,dense=linear",
    "kernel:k=64,scope=layer,dense=linear",
    "kernel:k=256,dense=linear",
    "scaled_kernel:k=64,transforms=8,dense=linear",
    "linear_kernel:k=64,dense=linear",
    "product:k=32,length=4,dense=linear+first",
)


def step_seconds(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor
) -> float:
    """CPU seconds of one step."""
    started = time.process_time()
    loss = model(images).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return time.process_time() - started


def decoding_seconds(tied: Tied) -> float:
    """CPU seconds of decoding all layers and of the gradients of their codebooks."""
    gradients = [torch.ones_like(each()) for each in tied.weights.values()]
    started = time.process_time()
    for each, gradient in zip(tied.weights.values(), gradients, strict=True):
        each().backward(gradient)
    return time.process_time() - started


def main() -> None:
    """Print a line for each scheme."""
    parser = argparse.ArgumentParser(description="Tied steps beside dense ones")
    parser.add_argument("-n", "--network", default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = kcsim.load_network(options.network)
    first = network.layers[0]
    shape = (options.batch, first.in_channels, first.in_height, first.in_width)
    images = torch.randn(shape).contiguous(memory_format=torch.channels_last)
    print(f"{options.network}, batches of {options.batch}: CPU seconds of a step")
    for spec in SPECS:
        dense, model = make_model(None, options.network)[0], make_model(None, options.network)[0]
        weights = arrays_of(model, places_of(model, network))
        tied = tie(model, kcsim.cluster_network(network, weights, spec, starts=1))
        optimizers = [
            torch.optim.Adam(dense.parameters(), lr=1e-6),
            torch.optim.Adam(tied.parameter_groups(lr=1e-6)),
        ]
        pairs = []
        for place in range(options.pairs + 2):
            both = [(0, dense, optimizers[0]), (1, model, optimizers[1])]
            seconds = [0.0, 0.0]
            for which, each, optimizer in both if place % 2 else reversed(both):
                seconds[which] = step_seconds(each, optimizer, images)
            pairs.append(seconds)
        # The first two are not warm.
        plain, shared = (statistics.median(times) for times in zip(*pairs[2:], strict=True))
        ratio = statistics.median(second / first for first, second in pairs[2:])
        alone = min(decoding_seconds(tied) for _ in range(options.pairs + 2))
        print(
            f"{spec:46} dense {plain:.4f}  tied {shared:.4f}  ratio {ratio:.3f}  "
            f"decoding {alone:.4f}, {alone / plain:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
