"""Torch modules that cannot be exported: what their submodules are seen to do in one run."""

from __future__ import annotations

import math
from typing import Any

from kcsim.errors import InputError, Problem
from kcsim.workload.imports.builder import NetworkBuilder
from kcsim.workload.imports.products import tokens
from kcsim.workload.layer import LayerError
from kcsim.workload.lowering import Convolution, lower, lower_transposed
from kcsim.workload.network import Network
from kcsim.workload.operation import Operation, pooling

_FUSED = ("Dropout", "Identity", "ReLU", "GELU", "SiLU", "Sigmoid", "Tanh", "Hardswish", "ELU",
          "Hardsigmoid", "LeakyReLU", "Flatten", "Unflatten", "Mish", "Softplus", "PReLU",
          "Hardtanh", "PixelShuffle", "PixelUnshuffle")  # fmt: skip


def trace_modules(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], images: int, name: str, reason: str
) -> Network:
    """The network of one run of a module.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    args, kwargs : tuple, dict
        What it is called with.
    images : int
    name : str
    reason : str
        Why the module was not exported.

    Raises
    ------
    InputError
        If it cannot be run, or computes no layer.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    builder = NetworkBuilder(name, f"torch module {name}")
    builder.note(
        f"Its modules were watched in one run, as torch.export fails ({reason}); what functions "
        "outside of modules do is told by its MACs alone."
    )
    watch = _Watch(builder, images)
    handles = [
        module.register_forward_hook(watch.hook(path), with_kwargs=True)
        for path, module in model.named_modules()
        if not any(module.children()) or _is_recurrent(module)
    ]
    counter = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), counter:
            model(*args, **kwargs)
    except Exception as error:
        raise InputError(
            Problem(f"the module cannot be run on the example: {type(error).__name__}: {error}"
                    .splitlines()[0], "an example that it can be called with")
        ) from None  # fmt: skip
    finally:
        for handle in handles:
            handle.remove()
    counted = counter.get_flop_counts()
    # Recurrent layers, which are listed with their MACs, are counted on some machines.
    listed = sum(
        sum(counted.get(f"{type(model).__name__}.{path}", {}).values()) for path in watch.recurrent
    )
    rest = (counter.get_total_flops() - listed) // 2 - watch.macs
    if rest > 0:
        share = rest // images if rest % images == 0 else rest
        title = builder.free_name("functions")
        operation = Operation(title, "functions", macs=share, batch=images if share != rest else 1)
        builder.operate(operation, [], [])
    return builder.finish()


def _is_recurrent(module: Any) -> bool:
    return any(base.__name__ == "RNNBase" for base in type(module).__mro__)


class _Watch:
    """Takes what modules do, one call after the other."""

    def __init__(self, builder: NetworkBuilder, images: int) -> None:
        self._builder = builder
        self._images = images
        self._kept: list[Any] = []
        self._after_layer: set[int] = set()
        self.macs = 0
        self.recurrent: list[str] = []

    def hook(self, path: str) -> Any:
        def watch(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            inputs = [value for value in (*args, *kwargs.values()) if hasattr(value, "shape")]
            made = output if isinstance(output, tuple) else (output,)
            outputs = [value for value in made if hasattr(value, "shape")]
            if not inputs or not outputs:
                return
            # What is kept is not freed, so that no other tensor gets its identity.
            self._kept += [*inputs, *outputs]
            try:
                self._take(path or type(module).__name__, module, inputs, outputs)
            except LayerError as error:
                self._builder.refuse_layer(error)

        return watch

    def _take(self, path: str, module: Any, inputs: list[Any], outputs: list[Any]) -> None:
        kind = type(module).__name__
        bases = [base.__name__ for base in type(module).__mro__]
        reads, makes = [id(inputs[0])], [id(value) for value in outputs]
        if "_ConvNd" in bases:
            self._convolution(path, module, inputs[0], outputs[0])
        elif "Linear" in bases:
            self._linear(path, module, inputs[0], outputs[0])
        elif any(base.startswith("_") and "BatchNorm" in base for base in bases):
            self._norm(path, module, inputs[0], outputs[0])
        elif any(base.startswith(_FUSED) for base in bases):
            self._builder.fuse(kind, reads, makes)
        elif "Pool" in kind:
            source, made = inputs[0].numel(), outputs[0].numel()
            taps = max(1, -(-source // made))
            self._builder.operate(
                pooling(self._builder.free_name(path), source, made, taps), reads, makes
            )
        else:
            self._list(path, kind, module, inputs, outputs)

    def _convolution(self, path: str, module: Any, source: Any, made: Any) -> None:
        axes = len(module.kernel_size)
        if isinstance(module.padding, str):
            totals = [
                (k - 1) * d * (module.padding == "same")
                for k, d in zip(module.kernel_size, module.dilation, strict=True)
            ]
            margins = tuple((total // 2, total - total // 2) for total in totals)
        else:
            margins = tuple((side, side) for side in module.padding)
        batch = source.shape[0] if source.ndim == axes + 2 else 1
        conv = Convolution(
            self._builder.free_name(path), module.in_channels, module.out_channels,
            tuple(source.shape[-axes:]), module.kernel_size, module.stride, margins,
            module.dilation, module.groups, batch, module.bias is not None,
        )  # fmt: skip
        if module.transposed:
            known = lower_transposed(conv, module.output_padding)
            self.macs += source.numel() * math.prod(module.weight.shape[1:])
        else:
            known = lower(conv)
            self.macs += made.numel() * math.prod(module.weight.shape[1:])
        self._add(known, module, source, made)

    def _linear(self, path: str, module: Any, source: Any, made: Any) -> None:
        rows = source.numel() // module.in_features
        layer = tokens(
            self._builder.free_name(path), rows, module.in_features, module.out_features,
            module.bias is not None, self._images,
        )  # fmt: skip
        self.macs += layer.macs
        self._add(layer, module, source, made)

    def _add(self, layers: Any, module: Any, source: Any, made: Any) -> None:
        weight, bias = module.weight, module.bias
        is_meta = weight.device.type == "meta"

        def weights() -> Any:
            values = _array(weight)
            return values[:, :, None, None] if values.ndim == 2 else values

        self._builder.add(
            layers, [id(source)], [id(made)], None if is_meta else weights,
            None if bias is None or is_meta else lambda: _array(bias),
        )  # fmt: skip
        self._after_layer.add(id(made))

    def _norm(self, path: str, module: Any, source: Any, made: Any) -> None:
        parameters = sum(value.numel() for value in module.parameters())
        if id(source) in self._after_layer:
            self._builder.normalize(parameters)
            self._builder.fuse("batch_norm", [id(source)], [id(made)])
        else:
            self._list(path, "batch_norm", module, [source], [made])

    def _list(
        self, path: str, kind: str, module: Any, inputs: list[Any], outputs: list[Any]
    ) -> None:
        own = list(module.parameters(recurse=False))
        macs = 0
        if _is_recurrent(module):
            self.recurrent.append(path)
            steps = inputs[0].numel() // module.input_size
            macs = steps * sum(each.numel() for each in own if each.ndim == 2)
        operation = Operation(
            self._builder.free_name(path), kind.lower() if macs else kind,
            sum(each.numel() for each in inputs), sum(each.numel() for each in outputs),
            sum(each.numel() for each in own), macs,
        )  # fmt: skip
        self._builder.operate(
            operation, [id(each) for each in inputs], [id(each) for each in outputs]
        )


def _array(tensor: Any) -> Any:
    return tensor.detach().float().cpu().numpy()
