"""A graph of `torch.export`, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any


class Constants:
    """Tensors that depend on parameters and buffers alone.

    Parameters
    ----------
    tensors : dict
        Tensor by the node that stands for it.
    names : dict
        Its name in the model.
    trained : collection of str
        Those of them that are parameters.
    """

    def __init__(
        self, tensors: dict[Any, Any], names: dict[Any, str], trained: Collection[str]
    ) -> None:
        self._tensors = tensors
        self.names = names
        self.trained = set(trained)
        self.counted: set[str] = set()

    @property
    def are_meta(self) -> bool:
        """Whether there are shapes alone."""
        return any(tensor.device.type == "meta" for tensor in self._tensors.values()
                   if hasattr(tensor, "device"))  # fmt: skip

    def __contains__(self, node: Any) -> bool:
        return node in self.names

    def define(self, node: Any) -> None:
        """Let the node of a call be constant; it is computed when its value is asked for."""
        roots = [self.names[each] for each in node.all_input_nodes]
        self.names[node] = roots[0]

    def value(self, node: Any) -> Any:
        """The tensor, or what a call gives."""
        if node not in self._tensors:
            import torch
            from torch.fx.node import map_arg

            with torch.no_grad():
                args = map_arg(node.args, self.value)
                kwargs = map_arg(node.kwargs, self.value)
                self._tensors[node] = node.target(*args, **kwargs)
        return self._tensors[node]


class TorchStep:
    """A call in the graph.

    Parameters
    ----------
    node : torch.fx.Node
    constants : Constants
    padded : dict
        What convolutions read in place of tensors that were only padded: the tensor before, and
        the margins of its last axes.

    Attributes
    ----------
    kind : str
        The operation, as ``conv2d``; that in place as the other.
    arguments : dict
        By their names in the schema.
    key : torch.fx.Node
        What stands for the output.
    """

    def __init__(self, node: Any, constants: Constants, padded: dict[Any, Any]) -> None:
        self.key = node
        self.padded = padded
        self._constants = constants
        self.kind = kind_of(node.target)
        self.arguments = dict(_bound(node))

    @property
    def moving(self) -> list[Any]:
        """Computed tensors that it reads."""
        return [
            node for node in self.key.all_input_nodes
            if node not in self._constants and _shape(node) is not None
        ]  # fmt: skip

    @property
    def trained(self) -> list[Any]:
        """Constant tensors that it reads, of more than one value."""
        return [
            node for node in self.key.all_input_nodes
            if node in self._constants and math.prod(_shape(node) or ()) > 1
        ]  # fmt: skip

    @property
    def has_output(self) -> bool:
        """Whether it makes a tensor."""
        return _shape(self.key) is not None

    @property
    def output(self) -> tuple[int, ...]:
        """Shape of the output, the first one of several; ``(0,)`` without one."""
        shape = _shape(self.key)
        return (0,) if shape is None else shape

    @property
    def window(self) -> int:
        """Taps of the window of a pooling; 0 where that is not said."""
        size = self.arguments.get("kernel_size")
        if size is None:
            return 0
        values = [size] if isinstance(size, int) else [int(each) for each in size]
        digits = [int(character) for character in self.kind if character.isdigit()]
        axes = digits[0] if len(values) == 1 and digits else 1
        return int(math.prod(values) ** axes)

    @property
    def is_folded_padding(self) -> bool:
        """Whether the convolutions that read it pad in its place."""
        return self.key in self.padded

    def shape(self, node: Any) -> tuple[int, ...]:
        """Shape of a tensor; of a tuple that of its first."""
        return _shape(node) or ()

    def is_constant(self, node: Any) -> bool:
        """Whether a tensor depends on parameters alone."""
        return node in self._constants

    def maker(self, node: Any) -> Callable[[], Any] | None:
        """What makes the array of a constant; ``None`` where there is none."""
        if node is None or node not in self._constants or self._constants.are_meta:
            return None
        return lambda: self._constants.value(node).detach().float().cpu().numpy()

    def follows_alone(self, source: Any) -> bool:
        """Whether nothing else reads what it reads."""
        return len(source.users) == 1

    def unseen_words(self, values: list[Any]) -> int:
        """Words of constants that no operation had before."""
        known = self._constants
        new = [
            each for each in values
            if known.names[each] in known.trained and known.names[each] not in known.counted
        ]  # fmt: skip
        known.counted |= {known.names[each] for each in new}
        return sum(math.prod(_shape(each) or ()) for each in new)

    def root(self, weight: Any) -> str:
        """What the model calls the whole of a constant that is a parameter; else nothing."""
        name = self._constants.names.get(weight, "")
        return name if weight.op == "placeholder" else ""

    def name(self, weight: Any = None) -> str:
        """What to call it: as its module, if that is a layer; else by its weights or itself."""
        path, module = _module(self.key)
        is_layer = module.startswith(("torch.nn.modules.conv.", "torch.nn.modules.linear."))
        if path and is_layer:
            return path
        root = self._constants.names.get(weight, "") if weight is not None else ""
        if root:
            return _without_weight(root) or self.key.name
        return f"{path}.{self.key.name}" if path else str(self.key.name)


def kind_of(target: Any) -> str:
    """The name of an operation, without overload and mark of what is done in place."""
    packet = getattr(target, "overloadpacket", target)
    name = getattr(packet, "__name__", str(packet)).rpartition(".")[2]
    return name.rstrip("_") or name


def _bound(node: Any) -> Iterator[tuple[str, Any]]:
    """Arguments of a call by name, defaults included."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        yield from ((str(i), value) for i, value in enumerate(node.args))
        yield from node.kwargs.items()
        return
    for i, argument in enumerate(schema.arguments):
        # Older names of the same.
        name = {"self": "input"}.get(argument.name, argument.name)
        if i < len(node.args):
            yield name, node.args[i]
        elif argument.name in node.kwargs:
            yield name, node.kwargs[argument.name]
        elif argument.has_default_value():
            yield name, argument.default_value


def _shape(node: Any) -> tuple[int, ...] | None:
    value = getattr(node, "meta", {}).get("val")
    if isinstance(value, list | tuple) and value:
        value = value[0]
    shape = getattr(value, "shape", None)
    return None if shape is None else tuple(int(size) for size in shape)


def _module(node: Any) -> tuple[str, str]:
    """Path and class of the innermost module that a call is made in."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return "", ""
    path, kind = stack[-1][:2]
    name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    return str(path).removeprefix("L['self']").lstrip("."), name


def _without_weight(name: str) -> str:
    """The name of a parameter without what says that it is a weight."""
    name = name.partition(".parametrizations.")[0]
    for ending in (".weight", "_weight", ".weight_v", ".weight_g", ".weight_orig"):
        name = name.removesuffix(ending)
    return "" if name == "weight" else name


def margins_of(node: Any) -> tuple[tuple[int, int], ...] | None:
    """Margins of zeros that a call of ``pad`` adds, the last axis last; ``None`` of others."""
    if kind_of(node.target) not in ("pad", "constant_pad_nd"):
        return None
    given = dict(_bound(node))
    values, mode = list(given.get("pad", ())), given.get("mode", "constant")
    if mode != "constant" or given.get("value") not in (None, 0, 0.0) or min(values, default=0) < 0:
        return None
    pairs = [(values[i], values[i + 1]) for i in range(0, len(values), 2)]
    return tuple(reversed(pairs))
