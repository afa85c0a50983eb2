"""Clustered convolutions in torch models, for inference. Needs the extra ``torch``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kcsim.clustering.precision import StoredValues
from kcsim.clustering.units import shape_text
from kcsim.conv.execute import ClusteredConvolution
from kcsim.conv.operations import choose_execution
from kcsim.errors import InputError, Problem, missing_package
from kcsim.reading.arguments import checked
from kcsim.weights.clustered import ClusteredWeights
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.weights.matching import match_names
from kcsim.workload.execution import Operations

try:
    import torch
    from torch import nn
    from torch.nn.parameter import is_lazy
except ImportError:
    raise missing_package("clustered torch modules need", "torch", "torch") from None

from kcsim.conv.tensors import plain_array, refuse_tracing

_PARTS = ("transforms", "scales", "offsets")
_TYPES = (torch.float32, torch.float16, torch.bfloat16)


class ClusteredConv2d(nn.Module):
    """A convolution with clustered weights, executed by `kcsim.conv.execute.ClusteredConvolution`.

    Its buffers, and thus its state dict, are ``codebook`` (K, channels, rows, columns) and
    ``indexes`` (M, C/channels, R/rows, S/columns), and those of ``transforms``, ``scales``,
    ``offsets`` and ``bias`` that there are. Every call computes with what they hold then. It has
    no gradients and cannot be traced: where gradients are asked for, and under ``torch.jit.trace``,
    ``torch.export`` or ``torch.fx``, a call raises; ``torch.compile`` leaves it as it is. Not for
    use by several Python threads at once.

    Parameters
    ----------
    layer : ClusteredLayer
        Stride, padding, dilation and groups are those of its layer; images may have any size.
    codebook : Codebook
    bias : float32[M], optional
    execution : str
        As for `kcsim.conv.execute.ClusteredConvolution`.
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
        choose_execution(layer, execution, layer.part.layer)
        self.execution, self.threads = execution, threads
        self.operations: Operations | None = None
        self._layer, self._codebook = layer, codebook
        self._seen: dict[str, np.ndarray | None] = {}
        self._ready: dict[tuple[int, int, str], ClusteredConvolution] = {}
        buffers: dict[str, Any] = {"codebook": codebook.entries.values, "indexes": layer.indexes}
        for name in _PARTS:
            stored = getattr(layer, name)
            buffers[name] = stored.values if isinstance(stored, StoredValues) else stored
        for name, values in {**buffers, "bias": bias}.items():
            self.register_buffer(name, None if values is None else torch.tensor(values))

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Convolve (N, C, H, W); `operations` then says what was executed.

        Parameters
        ----------
        inputs : float32, float16 or bfloat16 tensor
            All is computed in float32.

        Returns
        -------
        tensor of the type of `inputs`, shape (N, M, P, Q)

        Raises
        ------
        InputError
            If inputs or buffers are wrong, require gradients, or are traced.
        """
        name = self._layer.part.layer.name
        refuse_tracing(inputs, name)
        if inputs.ndim != 4 or inputs.dtype not in _TYPES:
            what = f"layer {name!r}: inputs are {inputs.ndim}-dimensional of {inputs.dtype}"
            expected = "(N, C, H, W) of torch.float32, torch.float16 or torch.bfloat16"
            raise InputError(Problem(what, expected))
        images = plain_array(inputs, f"layer {name!r}: inputs")
        buffers = {part: self._read(part) for part in ("codebook", "indexes", *_PARTS)}
        bias = self._read("bias")
        convolution = self._prepared(buffers, *inputs.shape[2:])
        threads = self.threads or torch.get_num_threads()
        outputs, self.operations = convolution.run(images, bias, threads=threads)
        return torch.from_numpy(outputs).to(inputs.dtype)

    def extra_repr(self) -> str:
        """What `repr` says beside the name."""
        part = self._layer.part
        return f"{part.layer.name}, {part.settings}, execution={self.execution}"

    def __getstate__(self) -> dict[str, Any]:
        # A copy, or what a file holds, is prepared anew.
        return {**self.__dict__, "_seen": {}, "_ready": {}}

    def _read(self, name: str) -> np.ndarray | None:
        """What a buffer holds now."""
        buffer = getattr(self, name)
        what = f"layer {self._layer.part.layer.name!r}: buffer {name!r}"
        return None if buffer is None else plain_array(buffer, what)

    def _prepared(
        self, buffers: dict[str, np.ndarray | None], height: int, width: int
    ) -> ClusteredConvolution:
        """The convolution for images of a size.

        What buffers hold is compared, not their versions: changes through ``.data`` or through
        arrays that share their memory leave no trace.
        """
        seen = self._seen
        if not seen or not all(_equal(values, seen[name]) for name, values in buffers.items()):
            self._ready.clear()
            self._seen = {
                name: None if values is None else values.copy() for name, values in buffers.items()
            }
        key = height, width, self.execution
        if key not in self._ready:
            layer, codebook = self._stored()
            self._ready[key] = ClusteredConvolution(
                layer, codebook, height, width, execution=self.execution
            )
        return self._ready[key]

    def _stored(self) -> tuple[ClusteredLayer, Codebook]:
        """The layer and the codebook that the buffers hold."""
        seen, name = self._seen, self._layer.part.layer.name
        for part, values in seen.items():
            of_entries = part == "codebook"
            shape = self._codebook.entries.codes.shape if of_entries else self._layer.indexes.shape
            if values is None and part in ("codebook", "indexes"):
                raise InputError(Problem(f"layer {name!r} has no {part}", shape_text(shape)))
            if values is not None and values.shape != shape:
                what = f"layer {name!r}: buffer {part!r} is {shape_text(values.shape)}"
                raise InputError(Problem(what, shape_text(shape)))
        codebook, indexes, transforms = seen["codebook"], seen["indexes"], seen["transforms"]
        assert codebook is not None
        assert indexes is not None
        _check_numbers(indexes, len(codebook), f"layer {name!r}: an index")
        if transforms is not None:
            kinds = self._layer.part.settings.transforms
            _check_numbers(transforms, kinds, f"layer {name!r}: a transform")
        scales, offsets = (
            None if values is None else StoredValues(values, 32)
            for values in (seen["scales"], seen["offsets"])
        )
        layer = replace(
            self._layer, indexes=indexes, transforms=transforms, scales=scales, offsets=offsets
        )
        return layer, replace(self._codebook, entries=StoredValues(codebook, 32))


def _equal(values: np.ndarray | None, others: np.ndarray | None) -> bool:
    """Whether both are the same, bit for bit."""
    if values is None or others is None:
        return values is others
    bits = np.dtype(f"u{values.itemsize}")
    return values.dtype == others.dtype and np.array_equal(values.view(bits), others.view(bits))


def _check_numbers(numbers: np.ndarray, count: int, what: str) -> None:
    if numbers.dtype.kind not in "iu":
        raise InputError(Problem(f"{what} is {numbers.dtype}", "whole numbers"))
    wrong = numbers[(numbers < 0) | (numbers >= count)]
    if wrong.size:
        raise InputError(Problem(f"{what} is {wrong.max()}", f"0 to {count - 1}"))


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
    modules are matched by `kcsim.weights.matching`.

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
        If a layer has no module, or its module pads with something other than zeros, is not on the
        CPU, or computes with anything but the weights that it holds.
    """
    modules = {
        f"{name}.weight": module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    if lazy := [name for name, module in modules.items() if is_lazy(module.weight)]:
        raise InputError(Problem(f"'{lazy[0]}' has no values yet", "a model that was run once"))
    shapes = {name: (*each.weight.shape, 1, 1)[:4] for name, each in modules.items()}
    matched = match_names(clustered.network, shapes, file="model")
    for name, tensor in matched.items():
        _check_plain(modules[tensor], name)
    if any(modules[tensor] is model for tensor in matched.values()):
        raise InputError(Problem("the model is a single layer", "a module that contains it"))
    swapped = {
        modules[matched[name]]: _swapped(
            modules[matched[name]], layer, clustered, execution, threads
        )
        for name, layer in clustered.layers.items()
        if isinstance(modules[matched[name]], nn.Conv2d)
    }
    # A module may be in several places.
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if module in swapped:
            model.set_submodule(path, swapped[module])
    for name, tensor in matched.items():
        module = modules[tensor]
        if module not in swapped:
            with torch.no_grad():
                weights = torch.tensor(clustered.decode(name))
                module.weight.copy_(weights.reshape(module.weight.shape))
    return model.eval()


def _check_plain(module: nn.Module, layer: str) -> None:
    """Refuse modules that compute with anything but the weights that they hold, on the CPU."""
    kind = nn.Conv2d if isinstance(module, nn.Conv2d) else nn.Linear
    own = any(
        getattr(type(module), name, None) is not getattr(kind, name, None)
        for name in ("forward", "_conv_forward")
    )
    if own or not isinstance(module._parameters.get("weight"), nn.Parameter):
        what = f"layer {layer!r}: its {type(module).__name__} changes its weights at each call"
        raise InputError(Problem(what, f"torch's {kind.__name__}, without reparametrization"))
    for each in module.parameters():
        if each.device.type != "cpu":
            raise InputError(Problem(f"layer {layer!r} is on {each.device}", "the CPU"))


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
    bias = None if module.bias is None else module.bias.detach().float().numpy()
    return ClusteredConv2d(
        replace(layer, part=replace(layer.part, layer=conv)),
        clustered.codebooks[layer.part.codebook],
        bias,
        execution=execution,
        threads=threads,
    )
