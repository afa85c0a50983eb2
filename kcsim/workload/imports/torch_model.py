"""Networks from torch modules. Needs the extra ``torch``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kcsim.errors import InputError, Problem, missing_package
from kcsim.reading.arguments import checked
from kcsim.workload.imports.builder import NetworkBuilder
from kcsim.workload.imports.torch_hooks import trace_modules
from kcsim.workload.imports.torch_ops import take
from kcsim.workload.imports.torch_steps import Constants, TorchStep, margins_of
from kcsim.workload.network import Network

try:
    import torch
    from torch import nn
except ImportError:
    raise missing_package("networks from modules need", "torch", "torch") from None

Example = torch.Tensor | tuple[Any, ...] | list[Any] | dict[str, Any]


@checked
def from_torch(model: nn.Module, example: Example, *, name: str = "") -> Network:
    """The network that a torch module computes.

    The module is exported by `torch.export` in evaluation mode; where that fails, it is run once
    and its submodules are watched. Convolutions of one to three dimensions, transposed ones, fully
    connected layers and products of matrices become layers under the names of their modules;
    batch normalization that follows one is folded; all else is listed in `Network.operations`.
    Trained weights come along in `Network.weights`.

    Parameters
    ----------
    model : torch.nn.Module
    example : torch.Tensor, tuple or dict
        What the module is called with: a tensor, positional arguments or named ones. Its first
        axis is the batch.
    name : str, optional
        Of the network; that of the class when absent.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        If the module computes no layer, or cannot be run on the example.

    Examples
    --------
    >>> import torch, kcsim
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    >>> kcsim.from_torch(model, torch.zeros(1, 3, 32, 32)).macs
    194400
    """
    args, kwargs = _arguments(example)
    images = _images(args, kwargs)
    title = name or type(model).__name__
    with _evaluating(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exported = torch.export.export(model, args, kwargs, strict=False)
            _refuse_branches(exported.graph_module)
        # What fails there is the model's own code, or anything that cannot be traced.
        except Exception as error:
            return trace_modules(model, args, kwargs, images, title, _first_line(error))
        return _network_of(exported, images, title)


def _refuse_branches(module: Any) -> None:
    """Raise a ValueError if what runs depends on values: its parts are not told by the graph."""
    from torch.fx import GraphModule

    for node in module.graph.nodes:
        inner = [
            getattr(module, str(each.target), None)
            for each in node.all_input_nodes
            if each.op == "get_attr"
        ]
        graphs = [each for each in inner if isinstance(each, GraphModule)]
        if graphs and _wrapped(module, node) is None:
            raise ValueError(f"it has control flow ({node.target})")
        for each in graphs:
            _refuse_branches(each)


def import_factory(spec: str) -> Network:
    """The network of ``package.module:factory``, or with ``@1x3x224x224`` behind it.

    The factory is called without arguments; it returns a module if the shape of its input is
    given, else a module and an example.

    Raises
    ------
    InputError
        If there is no such module or factory, or it returns something else.
    """
    import importlib
    import sys

    place, _, shape = spec.partition("@")
    module_name, _, attribute = place.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
        made = factory()
    # It is the user's own code that fails.
    except Exception as error:
        what = f"'{place}' cannot be called: {type(error).__name__}: {_first_line(error)}"
        raise InputError(
            Problem(what, "package.module:factory, a function without parameters")
        ) from None
    finally:
        sys.path.remove(os.getcwd())
    if shape:
        try:
            sizes = [int(size) for size in shape.split("x")]
        except ValueError:
            sizes = []
        if not sizes or min(sizes) < 1:
            raise InputError(Problem(f"'{shape}' is no shape", "sizes as 1x3x224x224"))
        return from_torch(made, torch.zeros(sizes), name=attribute)
    if not (isinstance(made, tuple) and len(made) == 2):
        expected = f"a module and an example, or the shape of one: '{place}@1x3x224x224'"
        raise InputError(Problem(f"'{place}' returns {type(made).__name__}", expected))
    return from_torch(*made, name=attribute)


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """The module in evaluation mode, and each part in its own again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, Mapping):
        return (), dict(example)
    if isinstance(example, Sequence) and not isinstance(example, str):
        return tuple(example), {}
    return (example,), {}


def _images(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    for value in (*args, *kwargs.values()):
        shape = getattr(value, "shape", None)
        if shape is not None and len(shape) > 1:
            return max(1, int(shape[0]))
    return 1


def _network_of(exported: Any, images: int, name: str) -> Network:
    signature = exported.graph_signature
    state = {**exported.state_dict, **exported.constants}
    held = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **getattr(signature, "inputs_to_lifted_tensor_constants", {}),
    }
    builder = NetworkBuilder(name, f"torch module {name}")
    nodes = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    known = {nodes[place]: title for place, title in held.items() if place in nodes}
    trained = signature.inputs_to_parameters.values()
    constants = Constants({node: state[title] for node, title in known.items()}, known, trained)
    _walk(exported.graph_module, constants, builder, images)
    return builder.finish()


def _walk(module: Any, constants: Constants, builder: NetworkBuilder, images: int) -> None:
    """Take every call of a graph, and of those that it wraps."""
    padded: dict[Any, Any] = {}
    for node in module.graph.nodes:
        if node.op != "call_function":
            continue
        wrapped = _wrapped(module, node)
        if wrapped is not None:
            inner, given = wrapped
            places = [each for each in inner.graph.nodes if each.op == "placeholder"]
            for place, value in zip(places, given, strict=False):
                if value in constants:
                    constants.names[place] = constants.names[value]
                    constants._tensors[place] = constants.value(value)
                else:
                    builder.fuse("", [value], [place])
            _walk(inner, constants, builder, images)
            last = next(each for each in inner.graph.nodes if each.op == "output")
            builder.fuse("", list(last.all_input_nodes), [node])
            continue
        inputs = node.all_input_nodes
        if inputs and all(each in constants for each in inputs):
            constants.define(node)
            continue
        margins = margins_of(node)
        if margins is not None and _feeds_convolutions(node, margins):
            padded[node] = (node.args[0], margins)
        take(TorchStep(node, constants, padded), builder, images)


def _feeds_convolutions(node: Any, margins: tuple[tuple[int, int], ...]) -> bool:
    """Whether only convolutions read a padded tensor, and could pad all of it themselves."""
    from kcsim.workload.imports.torch_steps import kind_of

    axes = {"conv1d": 1, "conv2d": 2, "conv3d": 3}
    return bool(node.users) and all(
        axes.get(kind_of(user.target), 0) == len(margins) and user.args[0] is node
        for user in node.users
    )


def _wrapped(module: Any, node: Any) -> tuple[Any, list[Any]] | None:
    """The graph that a call wraps as it is, and its inputs."""
    from torch.fx import GraphModule

    if not str(getattr(node.target, "__name__", "")).startswith("wrap_with_"):
        return None
    for place, value in enumerate(node.args):
        inner = getattr(module, str(getattr(value, "target", "")), None)
        if isinstance(inner, GraphModule):
            return inner, list(node.args[place + 1 :])
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
