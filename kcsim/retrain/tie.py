"""Models whose layers share the entries of codebooks, to be trained by any loop."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from kcsim.clustering.precision import quantize
from kcsim.clustering.units import weights_shape
from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import checked
from kcsim.retrain.layers import array, places_of
from kcsim.retrain.plain import others_of, untie
from kcsim.retrain.reassign import forget, reassign
from kcsim.retrain.torch_extra import nn, parametrize, torch
from kcsim.retrain.weight import TiedCodebook, TiedWeight
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook

TIED_PARTS = (
    "part", "indexes", "transforms", "scales", "offsets", "mean_squared_error", "variance_kept",
)  # fmt: skip
"""What of a clustered layer is known here; anything else would be lost."""

PARTS = ("codebook", "scales", "offsets")
"""What can be trained of clustered layers; indexes and transforms are chosen, not trained."""

TRAINED = {
    "scalar": ("codebook",),
    "row": ("codebook",),
    "kernel": ("codebook",),
    "scaled_kernel": ("codebook", "scales"),
    "linear_kernel": ("scales", "offsets"),
    "product": ("codebook",),
}
"""What the papers train, by scheme.

Deep Compression, Section 3: centroids. Son, Nah, Lee, Section 3.2: centroids and scales. Chen,
Chen, Su: a and b, templates stay. Deep k-Means and Matsui et al. train no shared weights; for
these and for product quantization it is the entries.
"""


class Tied:
    """A model with tied weights, and what becomes of it. Made by `tie`.

    Attributes
    ----------
    model : nn.Module
        The model, changed in place.
    clustered : ClusteredWeights
        What it was tied to.
    """

    def __init__(
        self,
        model: nn.Module,
        clustered: ClusteredWeights,
        places: Mapping[str, str],
        reassign_every: int | None,
    ) -> None:
        self.model, self.clustered = model, clustered
        self.steps, self.reassign_every = 0, reassign_every
        self._places = dict(places)

    @property
    def weights(self) -> dict[str, TiedWeight]:
        """The parametrization of each clustered layer, by the layer's name."""
        found = {}
        for layer in self.clustered.layers:
            module: Any = self.model.get_submodule(self._places[layer])
            found[layer] = module.parametrizations.weight[0]
        return found

    @property
    def codebooks(self) -> dict[str, TiedCodebook]:
        """The codebooks, by their names."""
        return {each.shared.name: each.shared for each in self.weights.values()}

    def parameter_groups(self, lr: float, **factors: float) -> list[dict[str, Any]]:
        """Parameters for an optimizer of torch: codebooks, scales, offsets, and all the rest.

        Parameters
        ----------
        lr : float
            Learning rate.
        **factors : float
            What the rate of a group is multiplied by: ``codebook``, ``scales``, ``offsets`` and
            ``rest``; 1 where nothing is given.

        Returns
        -------
        list of dict
            With ``params``, ``lr`` and ``name``; groups without trainable parameters are left out.
        """
        if unknown := factors.keys() - {*PARTS, "rest"}:
            name = min(unknown)
            expected = f"{', '.join(PARTS)} or rest"
            raise InputError(
                Problem(f"there is no group {name!r}", expected, nearest(name, [*PARTS, "rest"]))
            )
        groups: dict[str, list[nn.Parameter]] = {name: [] for name in (*PARTS, "rest")}
        groups["codebook"] = [each.entries for each in self.codebooks.values()]
        for part in PARTS[1:]:
            values = (getattr(each, part) for each in self.weights.values())
            groups[part] = [each for each in values if each is not None]
        ours = {id(each) for group in groups.values() for each in group}
        groups["rest"] = [each for each in self.model.parameters() if id(each) not in ours]
        chosen = {name: [p for p in group if p.requires_grad] for name, group in groups.items()}
        return [
            {"params": group, "lr": lr * factors.get(name, 1.0), "name": name}
            for name, group in chosen.items()
            if group
        ]

    def step(self, optimizer: torch.optim.Optimizer | None = None) -> int:
        """What follows a step of the optimizer: every so many of them, re-assignment.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer, optional
            Its momenta are reset where entries serve other units than before.

        Returns
        -------
        int
            Units that got another entry.
        """
        self.steps += 1
        if self.reassign_every is None or self.steps % self.reassign_every:
            return 0
        moved = 0
        for weight in self.weights.values():
            before = weight.indexes.flatten().long()
            changed = reassign(weight)
            moved += int(changed.sum())
            if optimizer is not None and moved:
                entries = torch.zeros(len(weight.shared.entries), dtype=torch.bool)
                entries[before[changed]] = True
                entries[weight.indexes.flatten()[changed].long()] = True
                forget(optimizer, weight.shared.entries, entries)
                for each in (weight.scales, weight.offsets):
                    forget(optimizer, each, changed.view(weight.indexes.shape))
        return moved

    def current(self) -> ClusteredWeights:
        """The clustered weights that the model computes with now.

        Returns
        -------
        ClusteredWeights
            They decode to the model's weights, bit for bit; dense weights and biases are the
            model's too. Errors against the weights before clustering are not known any more.
        """
        weights = self.weights
        layers = {
            name: _stored_layer(layer, weights[name])
            for name, layer in self.clustered.layers.items()
        }
        codebooks = {
            name: Codebook(
                name,
                quantize(
                    array(self.codebooks[name].stored()),
                    self.codebooks[name].bits,
                    f"codebook {name!r}",
                ),
            )
            for name in self.clustered.codebooks
        }
        dense, biases = {}, {}
        for name, place in self._places.items():
            module: Any = self.model.get_submodule(place)
            if name in self.clustered.dense:
                shape = self.clustered.dense[name].shape
                dense[name] = array(module.weight).reshape(shape)
            if module.bias is not None:
                biases[name] = array(module.bias)
        return replace(
            self.clustered, layers=layers, codebooks=codebooks, dense=dense, biases=biases
        )

    def finalize(self) -> tuple[ClusteredWeights, nn.Module]:
        """What training made of the weights, and a plain model with them.

        Returns
        -------
        clustered : ClusteredWeights
            As of `current`.
        plain : nn.Module
            A copy of the model without ties, which torch can pickle; its weights are the decoded
            ones. The tied model stays as it is.
        """
        clustered = self.current()
        plain = copy.deepcopy(self.model)
        for name in self.clustered.layers:
            untie(plain.get_submodule(self._places[name]), clustered.decode(name))
        return replace(clustered, others=others_of(plain, self._places)), plain

    @property
    def settings(self) -> tuple[str, int | None, tuple[str, ...]]:
        """How it was tied: the clustering, when units may move, and what is trained."""
        trained = [group["name"] for group in self.parameter_groups(1.0)]
        return self.clustered.clustering, self.reassign_every, tuple(trained)

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes: parameters, indexes and the rest of the model."""
        return {"model": self.model.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, of a model that was tied in the same way.

        Raises
        ------
        InputError
            If it does not fit.
        """
        try:
            self.model.load_state_dict(state["model"])
            self.steps = int(state["steps"])
        except (KeyError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise InputError(f"the state belongs to no model that was tied so: {reason}") from None


@checked
def tie(
    model: nn.Module,
    clustered: ClusteredWeights,
    *,
    train: Iterable[str] | None = None,
    reassign_every: int | None = None,
    reassign_rate: float = 0.01,
) -> Tied:
    """Tie the weights of a model to clustered weights.

    The weight of every clustered layer becomes a parametrization
    (`torch.nn.utils.parametrize`): it is decoded from the codebook at each use, so that units that
    share an entry stay equal to the bit and their gradients add up in it. Codebooks are kept once,
    indexes as small integers, dense weights not at all. Values that are stored in few bits are
    rounded in the same way while training. Entries that are zero stay zero. Layers that are not
    clustered get their weights and biases, and batch norms what was stored of them.

    Parameters
    ----------
    model : nn.Module
        It is changed. Layers and modules are matched by `kcsim.weights.matching`.
    clustered : ClusteredWeights
    train : iterable of str, optional
        What is trained of the clustered layers: any of ``codebook``, ``scales``, ``offsets``; what
        the papers train when absent (`TRAINED`).
    reassign_every : int, optional
        Steps after which units may get other entries: those nearest to where their gradients have
        drawn them since the weights that the model comes with. That takes the memory of dense
        weights; never when absent.
    reassign_rate : float
        What their gradients are multiplied by for that: a learning rate over 1 - momentum.

    Returns
    -------
    Tied

    Raises
    ------
    InputError
        If a layer has no module, or its module is parametrized already, lazy, not of float32 or
        computes with anything but the weights that it holds; or if there is nothing to train.

    Examples
    --------
    >>> import torch, kcsim
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3))
    >>> network = kcsim.Network("small", (kcsim.ConvLayer("0", 3, 8, 8, 8, 3, 3, bias=True),))
    >>> weights = {name: value.numpy() for name, value in model.state_dict().items()}
    >>> clustered = kcsim.cluster_network(network, weights, "kernel:k=4")
    >>> tied = kcsim.retrain.tie(model, clustered)
    >>> [group["name"] for group in tied.parameter_groups(lr=0.01)]
    ['codebook', 'rest']
    """
    if reassign_every is not None and reassign_every < 1:
        raise InputError(Problem(f"reassign_every is {reassign_every}", "at least 1"))
    wanted = None if train is None else _chosen_parts(train)
    places = places_of(model, clustered.network)
    for layer in clustered.layers.values():
        _check_layout(layer, clustered.codebooks[layer.part.codebook])
    owners: dict[str, TiedCodebook] = {}
    trained: set[str] = set()
    with torch.no_grad():
        for name, layer in clustered.layers.items():
            module: Any = model.get_submodule(places[name])
            part = layer.part
            is_owner = part.codebook not in owners
            if is_owner:
                stored = clustered.codebooks[part.codebook]
                owners[part.codebook] = TiedCodebook(stored, part.settings, module.weight.device)
            weight = TiedWeight(layer, owners[part.codebook], is_owner, module.weight)
            if reassign_every is not None:
                weight.follow(module.weight, reassign_rate)
            trained |= _train(
                weight, TRAINED.get(part.settings.scheme, PARTS) if wanted is None else wanted
            )
            parametrize.register_parametrization(module, "weight", weight)
        for name, place in places.items():
            _fill_dense(model.get_submodule(place), clustered, name)
        if clustered.others:
            others = {name: torch.tensor(value) for name, value in clustered.others.items()}
            model.load_state_dict(others, strict=False)
    if wanted is not None and not trained.issuperset(wanted):
        missing = min(set(wanted) - trained)
        raise InputError(Problem(f"these layers have no {missing}", ", ".join(sorted(trained))))
    return Tied(model, clustered, places, reassign_every)


def _chosen_parts(train: Iterable[str]) -> tuple[str, ...]:
    parts = (train,) if isinstance(train, str) else tuple(train)
    for part in parts:
        if part not in PARTS:
            raise InputError(
                Problem(f"there is nothing called {part!r} to train", ", ".join(PARTS),
                        nearest(str(part), PARTS))
            )  # fmt: skip
    return parts


def _check_layout(layer: ClusteredLayer, codebook: Codebook) -> None:
    """Refuse layers whose weights are anything but offset + scale * transform(one entry)."""
    part, unit = layer.part, layer.part.unit
    assert unit is not None
    filters, channels, _, _ = weights_shape(part.layer)
    depth = channels if part.settings.is_product else unit.channels
    known = {each.name for each in fields(layer)}
    others = [getattr(layer, name) for name in known - set(TIED_PARTS)]
    if (
        any(other is not None for other in others)
        or layer.indexes.ndim != 4
        or len(layer.indexes) != filters
        or codebook.entries.codes.shape[1:] != (depth, unit.height, unit.width)
    ):
        what = f"layer {part.layer.name!r} ({part.settings}) cannot be tied"
        raise InputError(Problem(what, "one entry of one codebook for each unit"))


def _train(weight: TiedWeight, parts: Iterable[str]) -> set[str]:
    """Let these parts require gradients and no others; returns those that there are."""
    tensors = {
        "codebook": weight.shared.entries, "scales": weight.scales, "offsets": weight.offsets
    }  # fmt: skip
    found = set()
    for name, tensor in tensors.items():
        if tensor is not None:
            tensor.requires_grad_(name in parts)
            found |= {name} & set(parts)
    return found


def _fill_dense(module: Any, clustered: ClusteredWeights, layer: str) -> None:
    """Give a module the weights and biases that are not clustered."""
    if layer in clustered.dense:
        module.weight.copy_(torch.tensor(clustered.dense[layer]).reshape(module.weight.shape))
    if layer in clustered.biases:
        if module.bias is None:
            raise InputError(Problem(f"layer {layer!r} of the model has no bias", "one"))
        module.bias.copy_(torch.tensor(clustered.biases[layer]))


def _stored_layer(layer: ClusteredLayer, weight: TiedWeight) -> ClusteredLayer:
    settings, name = layer.part.settings, layer.part.layer.name
    scales, offsets = (
        None if values is None else quantize(array(values), bits, f"{what} of layer {name!r}")
        for values, bits, what in (
            (weight.scales, settings.scale_bits, "the scales"),
            (weight.offsets, settings.offset_bits, "the offsets"),
        )
    )
    turned = None if weight.transforms is None else array(weight.transforms)
    return replace(
        layer,
        indexes=array(weight.indexes).astype(np.int32),
        transforms=turned,
        scales=scales,
        offsets=offsets,
        mean_squared_error=None,
        variance_kept=None,
    )
