"""Models whose layers share the entries of codebooks, to be trained by any loop."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kcsim.clustering.precision import quantize
from kcsim.errors import InputError, Problem, nearest
from kcsim.reading.arguments import checked
from kcsim.retrain.ahead import decode_ahead
from kcsim.retrain.layers import Place, array, holders_of, places_of
from kcsim.retrain.plain import others_of, untie
from kcsim.retrain.reassign import forget, reassign
from kcsim.retrain.shared_tensors import check_layout, first_layers, joined_codebooks
from kcsim.retrain.torch_extra import nn, parametrize, torch
from kcsim.retrain.weight import TiedCodebook, TiedWeight
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook

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
        places: Mapping[str, Place],
        reassign_every: int | None,
        reassign_until: int | None,
    ) -> None:
        self.model, self.clustered, self.steps = model, clustered, 0
        self.reassign_every, self.reassign_until = reassign_every, reassign_until
        self._places = dict(places)

    @property
    def weights(self) -> dict[str, TiedWeight]:
        """The parametrization of each clustered layer, by the layer's name."""
        found = {}
        for layer in self.clustered.layers:
            place = self._places[layer]
            found[layer] = place.owner(self.model).parametrizations[place.weight][0]
        return found

    @property
    def _tensors(self) -> list[TiedWeight]:
        """The same, each once where layers have one tensor."""
        return list(dict.fromkeys(self.weights.values()))

    @property
    def codebooks(self) -> dict[str, TiedCodebook]:
        """The codebooks, by their names."""
        layers = self.clustered.layers
        return {layers[name].part.codebook: each.shared for name, each in self.weights.items()}

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
        groups["codebook"] = list(dict.fromkeys(e.entries for e in self.codebooks.values()))
        for part in PARTS[1:]:
            values = (getattr(each, part) for each in self._tensors)
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
        if self.reassign_until is not None and self.steps > self.reassign_until:
            return 0
        moved = 0
        for weight in self._tensors:
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
            if name in self.clustered.dense:
                shape = self.clustered.dense[name].shape
                dense[name] = array(place.weight_of(self.model)).reshape(shape)
            bias = place.bias_of(self.model)
            if bias is not None:
                biases[name] = array(bias)
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
        untie(plain)
        return replace(clustered, others=others_of(plain, self._places)), plain

    @property
    def settings(self) -> tuple[object, ...]:
        """How it was tied: the clustering, when and how far units may move, what is trained."""
        trained = [group["name"] for group in self.parameter_groups(1.0)]
        rate = next((each.rate for each in self._tensors), 0.0)
        moves = self.reassign_every, self.reassign_until, rate
        return self.clustered.clustering, moves, tuple(trained)

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
    reassign_until: int | None = None,
    reassign_rate: float = 0.01,
) -> Tied:
    """Tie the weights of a model to clustered weights.

    The weight of every clustered layer becomes a parametrization
    (`torch.nn.utils.parametrize`): it is decoded from the codebook at each use, so that units that
    share an entry stay equal to the bit and their gradients add up in it. Codebooks are kept once,
    indexes as small integers, dense weights not at all. Values that are stored in few bits are
    rounded in the same way while training. Entries that are zero stay zero. Layers that are not
    clustered get their weights and biases, and batch norms what was stored of them. A tensor that
    several modules have, such as an embedding and the layer that reads it back, is tied in all.

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
    reassign_until : int, optional
        The last step after which they may; always when absent.
    reassign_rate : float
        What their gradients are multiplied by for that: a learning rate over 1 - momentum.

    Returns
    -------
    Tied

    Raises
    ------
    InputError
        If a layer has no module, or its module is parametrized already, lazy, not of float32 or
        computes with anything but the weights that it holds; if there is nothing to train; or if
        layers that have one tensor are clustered differently.

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
    for name, steps in (("reassign_every", reassign_every), ("reassign_until", reassign_until)):
        if steps is not None and steps < 1:
            raise InputError(Problem(f"{name} is {steps}", "at least 1"))
    if reassign_until is not None and reassign_every is None:
        raise InputError(Problem("reassign_until is given alone", "reassign_every, too"))
    wanted = None if train is None else _chosen_parts(train)
    places = places_of(model, clustered.network)
    for layer in clustered.layers.values():
        check_layout(layer, clustered.codebooks[layer.part.codebook])
    firsts = first_layers(model, places, clustered)
    names = joined_codebooks(clustered, firsts)
    owners: dict[str, TiedCodebook] = {}
    trained: set[str] = set()
    with torch.no_grad():
        for name in dict.fromkeys(firsts.values()):
            layer, original = clustered.layers[name], places[name].weight_of(model)
            settings, codebook = layer.part.settings, names[layer.part.codebook]
            is_owner = codebook not in owners
            if is_owner:
                stored = clustered.codebooks[codebook]
                owners[codebook] = TiedCodebook(stored, settings, original.device)
            weight = TiedWeight(layer, owners[codebook], is_owner, original)
            if reassign_every is not None:
                weight.follow(original, reassign_rate)
            trained |= _train(
                weight, TRAINED.get(settings.scheme, PARTS) if wanted is None else wanted
            )
            for module, tensor in holders_of(model, places[name]):
                parametrize.register_parametrization(module, tensor, weight)
            weight.close()
        decode_ahead(model)
        for name, place in places.items():
            _fill_dense(model, place, clustered, name)
        if clustered.others:
            others = {name: torch.tensor(value) for name, value in clustered.others.items()}
            model.load_state_dict(others, strict=False)
    if wanted is not None and not trained.issuperset(wanted):
        missing = min(set(wanted) - trained)
        raise InputError(Problem(f"these layers have no {missing}", ", ".join(sorted(trained))))
    return Tied(model, clustered, places, reassign_every, reassign_until)


def _chosen_parts(train: Iterable[str]) -> tuple[str, ...]:
    parts = (train,) if isinstance(train, str) else tuple(train)
    for part in parts:
        if part not in PARTS:
            raise InputError(
                Problem(f"there is nothing called {part!r} to train", ", ".join(PARTS),
                        nearest(str(part), PARTS))
            )  # fmt: skip
    return parts


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


def _fill_dense(model: nn.Module, place: Place, clustered: ClusteredWeights, layer: str) -> None:
    """Give a module the weights and biases that are not clustered."""
    if layer in clustered.dense:
        weight = place.weight_of(model)
        weight.copy_(torch.tensor(clustered.dense[layer]).reshape(weight.shape))
    # Biases that several layers have as one tensor are the model's own.
    if layer in clustered.biases and place.bias:
        bias = place.bias_of(model)
        if bias is None:
            raise InputError(Problem(f"layer {layer!r} of the model has no bias", "one"))
        bias.copy_(torch.tensor(clustered.biases[layer]))


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
