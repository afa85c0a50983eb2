"""Error and accuracy of every clustering scheme on trained CIFAR-10 ResNets.

Run ``python reports/clustering_cifar10.py WEIGHTS IMAGES TRAINING -o REPORT``, with the weights of
https://github.com/akamaster/pytorch_resnet_cifar10 as ``.npz`` (keys of its state dicts) and images
as ``.npz`` (``images``, uint8[N, 32, 32, 3], and ``labels``). Needs torch and scikit-learn. Each
report states the command line that it was made with.

Convolutions are clustered, the first one too; batch norms and the last layer stay as they are, and
nothing is trained. Every error is compared with that of scikit-learn's k-means on the same samples
with the same number of clusters and starts.
"""

from __future__ import annotations

import argparse
import itertools
import math
import platform
import shlex
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch.nn import functional

import kcsim
from kcsim.reading.files import write_whole

STARTS, SEED, NORMS = 3, 0, 1000
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
SCALARS, VECTORS = (4, 8, 16, 32), (16, 32, 64, 128, 256)
SCHEMES = {
    # name: what precedes the number of clusters, what follows it, numbers of clusters
    "scalar": ("scalar", "", SCALARS),
    "row": ("row", "", VECTORS),
    "row, 30 % zero": ("row", ",sparse=0.3", VECTORS),
    "kernel": ("kernel", "", VECTORS),
    "kernel, 8 transforms": ("kernel", ",transforms=8", VECTORS),
    "scaled kernel": ("scaled_kernel", "", VECTORS),
    "scaled kernel, 2 transforms": ("scaled_kernel", ",transforms=2", VECTORS),
    "scaled kernel, 4 transforms": ("scaled_kernel", ",transforms=4", VECTORS),
    "scaled kernel, 8 transforms": ("scaled_kernel", ",transforms=8", VECTORS),
    "linear kernel": ("linear_kernel", "", VECTORS),
    "product, 4 channels": ("product", ",length=4", VECTORS),
}


class ResNet:
    """A CIFAR ResNet with shortcuts of option A (He et al. 2016, Section 4.2), from its tensors."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        # Copies: what a model changes must not reach the next model of the same arrays.
        self.tensors = {name: torch.tensor(value) for name, value in tensors.items()}
        self.blocks = sorted(
            {tuple(map(int, name[5:].split(".")[:2])) for name in tensors if name[:5] == "layer"}
        )
        self.moments: dict[str, list[torch.Tensor]] | None = None

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        scale, shift = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        if self.moments is None:
            parts = (self.tensors[f"{name}.{part}"] for part in ("running_mean", "running_var"))
            return functional.batch_norm(x, *parts, scale, shift)
        self.moments.setdefault(name, []).append(torch.stack([x.mean((0, 2, 3)), x.var((0, 2, 3))]))
        return functional.batch_norm(x, None, None, scale, shift, training=True)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the classes for some images."""
        weights = self.tensors
        x = torch.relu(self._norm(functional.conv2d(x, weights["conv1.weight"], padding=1), "bn1"))
        for stage, block in self.blocks:
            name = f"layer{stage}.{block}"
            first, second = weights[f"{name}.conv1.weight"], weights[f"{name}.conv2.weight"]
            stride = 2 if len(first) != first.shape[1] else 1
            y = functional.conv2d(x, first, stride=stride, padding=1)
            y = torch.relu(self._norm(y, f"{name}.bn1"))
            y = self._norm(functional.conv2d(y, second, padding=1), f"{name}.bn2")
            if stride == 2:
                missing = (len(first) - x.shape[1]) // 2
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, missing, missing))
            x = torch.relu(x + y)
        return functional.linear(x.mean((2, 3)), weights["linear.weight"], weights["linear.bias"])

    def accuracy(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Share of the images that are recognized, in percent."""
        right = sum(
            int((self(x).argmax(1) == y).sum())
            for x, y in zip(images.split(500), labels.split(500), strict=True)
        )
        return 100 * right / len(images)

    def estimate_norms(self, images: torch.Tensor) -> None:
        """Replace the moments of the batch norms by those of some images."""
        self.moments = {}
        for batch in images.split(500):
            self(batch)
        for name, moments in self.moments.items():
            mean, variance = torch.stack(moments).mean(0)
            self.tensors[f"{name}.running_mean"] = mean
            self.tensors[f"{name}.running_var"] = variance
        self.moments = None


def read_images(path: Path, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Some images of a file, normalized, and their labels."""
    with np.load(path, allow_pickle=False) as file:
        images, labels = file["images"][chosen], file["labels"][chosen]
    pixels = (images.astype(np.float32) / 255 - MEAN) / DEVIATION
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels)


def training_images(path: Path, count: int) -> torch.Tensor:
    """Random images, cropped at random from their black surroundings, half of them mirrored."""
    generator = np.random.default_rng(SEED)
    with np.load(path, allow_pickle=False) as file:
        chosen = generator.permutation(len(file["labels"]))[:count]
    images = read_images(path, chosen)[0]
    black = (-MEAN / DEVIATION)[:, None, None]
    padded = torch.from_numpy(black).expand(count, 3, 40, 40).clone()
    padded[:, :, 4:36, 4:36] = images
    result = torch.empty_like(images)
    for i, (top, left, mirrored) in enumerate(generator.integers(0, [9, 9, 2], (len(images), 3))):
        crop = padded[i, :, top : top + 32, left : left + 32]
        result[i] = crop.flip(2) if mirrored else crop
    return result


def rival_error(
    clustered: kcsim.ClusteredWeights, weights: dict[str, np.ndarray], known: dict[str, float]
) -> float:
    """Squared error of the same scheme with scikit-learn's k-means.

    Transforms are beyond it, so that it clusters once for all numbers of them; `known` holds
    what was found before.
    """
    groups: dict[tuple[str, int], list[np.ndarray]] = {}
    for name, layer in clustered.layers.items():
        part, tensor = layer.part, weights[name]
        channels, rows, columns = part.unit.shape
        m, c, height, width = tensor.shape
        blocks = tensor.reshape(
            m, c // channels, channels, height // rows, rows, width // columns, columns
        ).transpose(1, 0, 3, 5, 2, 4, 6)
        for i, block in enumerate(blocks if part.settings.is_product else [blocks]):
            units = block.reshape(-1, channels * rows * columns)
            groups.setdefault((part.codebook, i), []).append(units)
    parts = [layer.part for layer in clustered.layers.values()]
    clusters = {part.codebook: part.clusters for part in parts}
    settings = replace(parts[0].settings, transforms=1)
    key = f"{settings} {clusters}"
    if key not in known:
        known[key] = math.fsum(
            scheme_error(np.concatenate(units).astype(np.float64), settings, clusters[codebook])
            for (codebook, _), units in groups.items()
        )
    return known[key]


def scheme_error(units: np.ndarray, settings: kcsim.Clustering, clusters: int) -> float:
    """Squared error of some units with one codebook, as the papers cluster them."""
    samples, scales, offsets = units, np.ones((len(units), 1)), np.zeros((len(units), 1))
    if settings.scheme == "linear_kernel":
        offsets = units.mean(1, keepdims=True)
        samples = units - offsets
    if settings.kind.has_scales:
        scales = np.linalg.norm(samples, axis=1, keepdims=True)
        scales *= np.where(samples[:, [samples.shape[1] // 2]] < 0, -1, 1)
        samples = samples / np.where(scales == 0, 1, scales)
    error = 0.0
    if settings.sparse:
        order = np.argsort((samples**2).sum(1), kind="stable")
        tied = round(settings.sparse * len(samples))
        error = float((samples[order[:tied]] ** 2).sum())
        samples, clusters = samples[order[tied:]], clusters - 1
        scales, offsets = scales[tied:], offsets[tied:]
        units = units[order[tied:]]
    if clusters >= len(samples):
        return error
    found = KMeans(clusters, n_init=STARTS, random_state=SEED).fit(samples)
    chosen = found.cluster_centers_[found.labels_]
    if settings.scheme == "linear_kernel":
        centered = chosen - chosen.mean(1, keepdims=True)
        power = (centered**2).sum(1, keepdims=True)
        slopes = ((units - offsets) * centered).sum(1, keepdims=True)
        chosen, scales = centered, slopes / np.where(power == 0, 1, power)
    return error + float(((units - offsets - scales * chosen) ** 2).sum())


def rows_of(
    tensors: dict[str, np.ndarray],
    network: str,
    test: tuple[torch.Tensor, torch.Tensor],
    training: torch.Tensor,
    wanted: list[int],
) -> list[tuple[object, ...]]:
    """One row for every scheme, scope and number of clusters."""
    rows: list[tuple[object, ...]] = []
    known: dict[str, float] = {}
    for (name, (scheme, extra, numbers)), scope in itertools.product(
        SCHEMES.items(), ("layer", "network")
    ):
        if scheme == "product" and scope == "network":
            continue
        scoped = "" if scheme == "product" else f",scope={scope}"
        # The first layer has 3 channels, which make no sub-vectors of 4.
        dense = "linear+first" if scheme == "product" else "linear"
        for k in [k for k in numbers if not wanted or k in wanted]:
            spec = f"{scheme}:k={k},dense={dense}{scoped}{extra}"
            started = time.process_time()
            clustered = kcsim.cluster_network(network, tensors, spec, seed=SEED, starts=STARTS)
            seconds = time.process_time() - started
            found = figures(clustered, tensors, test, training, known)
            rows.append((name, scope, k, *found, seconds))
            print(*rows[-1], sep="\t", flush=True)
    return rows


def figures(
    clustered: kcsim.ClusteredWeights,
    tensors: dict[str, np.ndarray],
    test: tuple[torch.Tensor, torch.Tensor],
    training: torch.Tensor,
    known: dict[str, float],
) -> tuple[float, float, float, float, float]:
    """Compression, error, error over scikit-learn's, accuracy, accuracy with new batch norms."""
    weights = {name: tensors[tensor_of(name)] for name in clustered.layers}
    decoded = {name: clustered.decode(name) for name in weights}
    error = math.fsum(float(((decoded[n] - w) ** 2).sum()) for n, w in weights.items())
    power = math.fsum(float((w**2).sum()) for w in weights.values())
    model = ResNet(tensors | {tensor_of(name): value for name, value in decoded.items()})
    plain = model.accuracy(*test)
    model.estimate_norms(training)
    ratio = clustered.storage().ratio("clustered", biases=False)
    rival = rival_error(clustered, weights, known)
    return ratio, error / power, error / rival, plain, model.accuracy(*test)


def tensor_of(layer: str) -> str:
    """Name of the tensor of a layer: ``l1.0.c1`` is ``layer1.0.conv1.weight``."""
    if layer == "conv1":
        return "conv1.weight"
    stage, block, conv = layer.split(".")
    return f"layer{stage[1:]}.{block}.conv{conv[1:]}.weight"


HEADER = """\
# Clustering {network} on CIFAR-10, no retraining

Weights: {weights}. Test: the first {count} images; without clustering {plain:.2f} %, with
estimated batch norms {normed:.2f} %. Standard error of an accuracy near 90 %: {error:.1f} points.

*ratio*: 32-bit weights over codebooks, indexes of fixed length, scales and offsets (16 bits), of
the clustered layers. *error*: squared error over squared weights. *vs. scikit-learn*: squared error
over that of the same scheme with scikit-learn's KMeans, {starts} starts each (of transforms: over
scikit-learn's without them). *accuracy*: weights replaced, nothing else; *BN*: batch norms
estimated again on {training} augmented training images. Accuracies without retraining are noisy
where they are low.

`{command}`

{machine}, Python {python}, kcsim {version}.

| scheme | codebook per | K | ratio | error | vs. scikit-learn | accuracy | BN | CPU s |
|---|---|---|---|---|---|---|---|---|
"""


def command_line(options: argparse.Namespace) -> str:
    """The command that makes the report again, with the names of its files."""
    files = [path.name for path in (options.weights, options.images, options.training)]
    chosen = ["-n", options.network, "--count", str(options.count)]
    if options.norms != NORMS:
        chosen += ["--norms", str(options.norms)]
    if options.k:
        chosen += ["-k", *map(str, options.k)]
    command = ["python", "reports/clustering_cifar10.py", *files, *chosen]
    return shlex.join([*command, "-o", f"reports/{options.output.name}"])


def main() -> None:
    """Write the report."""
    parser = argparse.ArgumentParser(description="Error and accuracy of every scheme")
    parser.add_argument("weights", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("training", type=Path)
    parser.add_argument("-n", "--network", default="resnet20")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=5000, help="images to test")
    parser.add_argument("--norms", type=int, default=NORMS, help="images to estimate norms on")
    parser.add_argument("-k", type=int, nargs="*", default=[], help="only these clusters")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    with np.load(options.weights, allow_pickle=False) as file:
        tensors = dict(file)
    test = read_images(options.images, np.arange(options.count))
    training = training_images(options.training, options.norms)
    dense = ResNet(tensors)
    plain = dense.accuracy(*test)
    dense.estimate_norms(training)
    header = HEADER.format(
        network=options.network, weights=options.weights.name, count=len(test[0]), plain=plain,
        normed=dense.accuracy(*test), error=100 * (0.09 / len(test[0])) ** 0.5, starts=STARTS,
        training=len(training), command=command_line(options), machine=platform.machine(),
        python=platform.python_version(), version=kcsim.__version__,
    )  # fmt: skip
    formats = ("", "", "", ".2f", ".4f", ".4f", ".2f", ".2f", ".1f")
    lines = [
        "| " + " | ".join(f"{cell:{spec}}" for cell, spec in zip(row, formats, strict=True)) + " |"
        for row in rows_of(tensors, options.network, test, training, options.k)
    ]
    write_whole(options.output, header + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
