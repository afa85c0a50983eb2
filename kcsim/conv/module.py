"""Clustered convolutions in torch models, for inference. Needs the extra ``torch``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kcsim.arguments import checked
from kcsim.clustering.clustered import ClusteredLayer, ClusteredWeights, Codebook
from kcsim.clustering.matching import match_names
from kcsim.clustering.precision import StoredValues
from kcsim.conv.counts import Operations, choose_execution
from kcsim.conv.execute import ClusteredConvolution
from kcsim.errors import InputError, Problem

try:
    import torch
    from torch import nn
except ImportError:
    raise InputError(
        "clustered torch modules need torch; install it with: pip install 'kcsim[torch]'"
    ) from None

__all__ = ["ClusteredConv2d", "cluster_model"]

_PARTS = ("transforms", "scales", "offsets")


class ClusteredConv2d(nn.Module):
    """A convolution with clustered weights, executed by `kcsim.conv.ClusteredConvolution`.

    Its buffers, and thus its state dict, are ``codebook`` (K, channels, rows, columns) and
    ``indexes`` (M, C/channels, R/rows, S/columns), and those of ``transforms``, ``scales``,
    ``offsets`` and ``bias`` that there are. It has no gradients. Not for use by several Python
    threads at once.

    Parameters
    ----------
    layer : ClusteredLayer
        Stride, padding, dilation and groups are those of its layer; images may have any size.
    codebook : Codebook
    bias : float32[M], optional
    execution : str
        As for `kcsim.conv.ClusteredConvolution`.
    threads : int, optional
        Those of torch when absent.

    Raises
    ------
    InputError
        If there is no such execution.
    """

    def __init__(
        self,
        layer: ClusteredLayer,
        codebook: Codebook,
        bias: np.ndarray | None = None,
        *,
        execution: str = "auto",
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self.indexes: torch.Tensor
        self.transforms: torch.Tensor | None
        self.bias: torch.Tensor | None
        choose_execution(layer, execution, layer.part.layer)
        self.execution, self.threads = execution, threads
        self.operations: Operations | None = None
        self._layer, self._codebook = layer, codebook
        self._ready: dict[tuple[int, int], ClusteredConvolution] = {}
        buffers: dict[str, Any] = {"codebook": codebook.entries.values, "indexes": layer.indexes}
        for name in _PARTS:
            stored = getattr(layer, name)
            buffers[name] = stored.values if isinstance(stored, StoredValues) else stored
        for name, values in {**buffers, "bias": bias}.items():
            self.register_buffer(name, None if values is None else torch.tensor(values))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Convolve float32[N, C, H, W]; `operations` then says what was executed."""
        if inputs.ndim != 4 or inputs.device.type != "cpu":
            what = f"inputs are {inputs.ndim}-dimensional on {inputs.device}"
            raise InputError(Problem(what, "(N, C, H, W) on the CPU"))
        height, width = inputs.shape[2:]
        if (height, width) not in self._ready:
            layer, codebook = self._stored()
            self._ready[height, width] = ClusteredConvolution(
                layer, codebook, height, width, execution=self.execution
            )
        bias = None if self.bias is None else self.bias.numpy()
        outputs, self.operations = self._ready[height, width].run(
            inputs.detach().numpy(), bias, threads=self.threads or torch.get_num_threads()
        )
        return torch.from_numpy(outputs)

    def extra_repr(self) -> str:
        """What `repr` says beside the name."""
        part = self._layer.part
        return f"{part.layer.name}, {part.settings}, execution={self.execution}"

    def _stored(self) -> tuple[ClusteredLayer, Codebook]:
        """The layer and the codebook that the buffers hold now."""

        def values(name: str) -> StoredValues | None:
            buffer = getattr(self, name)
            return None if buffer is None else StoredValues(buffer.numpy(), 32)

        entries = values("codebook")
        assert entries is not None
        transforms = None if self.transforms is None else self.transforms.numpy()
        layer = replace(
            self._layer,
            indexes=self.indexes.numpy(),
            transforms=transforms,
            scales=values("scales"),
            offsets=values("offsets"),
        )
        largest = int(layer.indexes.max(initial=0))
        if largest >= len(entries.codes) or int(layer.indexes.min(initial=0)) < 0:
            name, last = layer.part.layer.name, len(entries.codes) - 1
            raise InputError(Problem(f"layer {name!r}: an index is {largest}", f"0 to {last}"))
        return layer, replace(self._codebook, entries=entries)

    def _load_from_state_dict(self, *arguments: Any, **options: Any) -> None:
        self._ready.clear()
        super()._load_from_state_dict(*arguments, **options)


@checked
def cluster_model(
    model: nn.Module,
    clustered: ClusteredWeights,
    *,
    execution: str = "auto",
    threads: int | None = None,
) -> nn.Module:
    """Put clustered weights into a torch model.

    Convolutions that are clustered become `ClusteredConv2d`, with the stride, padding, dilation
    and bias of the model; other layers of the network get their decoded weights. Layers and
    modules are matched by `kcsim.clustering.matching`.

    Parameters
    ----------
    model : nn.Module
        It is changed, and is no longer for training.
    clustered : ClusteredWeights
    execution, threads
        As for `ClusteredConv2d`.

    Returns
    -------
    nn.Module
        The model itself.

    Raises
    ------
    InputError
        If a layer has no module, or a module pads with something other than zeros.
    """
    modules = {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    shapes = {name: (*each.weight.shape, 1, 1)[:4] for name, each in modules.items()}
    matched = match_names(clustered.network, shapes, file="model")
    swapped = {
        matched[name].removesuffix(".weight"): _swapped(
            modules[matched[name]], layer, clustered, execution, threads
        )
        for name, layer in clustered.layers.items()
        if isinstance(modules[matched[name]], nn.Conv2d)
    }
    for name, tensor in matched.items():
        module = modules[tensor]
        path = tensor.removesuffix(".weight")
        if path in swapped:
            model.set_submodule(path, swapped[path])
        else:
            with torch.no_grad():
                weights = torch.from_numpy(np.ascontiguousarray(clustered.decode(name)))
                module.weight.copy_(weights.reshape(module.weight.shape))
    return model.eval()


def _swapped(
    module: nn.Module,
    layer: ClusteredLayer,
    clustered: ClusteredWeights,
    execution: str,
    threads: int | None,
) -> ClusteredConv2d:
    """The clustered convolution in place of a module."""
    assert isinstance(module, nn.Conv2d)
    name = layer.part.layer.name
    if module.padding_mode != "zeros":
        raise InputError(Problem(f"layer {name!r} pads by {module.padding_mode!r}", "'zeros'"))
    # torch knows the padding of both sides of an axis, from the last axis to the first.
    left, right, top, bottom = module._reversed_padding_repeated_twice
    conv = replace(
        layer.part.layer,
        stride=(module.stride[0], module.stride[1]),
        padding=(top, bottom, left, right),
        dilation=(module.dilation[0], module.dilation[1]),
        groups=module.groups,
        # Any image will do; the smallest that a filter fits into.
        in_height=max(layer.part.layer.in_height, module.dilation[0] * module.kernel_size[0]),
        in_width=max(layer.part.layer.in_width, module.dilation[1] * module.kernel_size[1]),
    )
    bias = None if module.bias is None else module.bias.detach().numpy()
    return ClusteredConv2d(
        replace(layer, part=replace(layer.part, layer=conv)),
        clustered.codebooks[layer.part.codebook],
        bias,
        execution=execution,
        threads=threads,
    )
