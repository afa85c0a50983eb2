"""Which keys a type allows at a place: a walk through dataclasses, collections and unions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from kcsim.reading.source import Path_


def valid_keys(type_: Any, path: Path_, branches: Collection[str]) -> list[str]:
    """The keys that a type allows in the mapping at a path.

    Parameters
    ----------
    type_ : Any
        Anything that pydantic can validate.
    path : tuple of (str or int)
        Where the mapping is in the data.
    branches : collection of str
        The branches of unions that pydantic took on the way, by its names.
    """
    models = list(_models(type_, path))
    labels = set(branches)
    chosen = [model for model in models if labels & _labels(model)] or models
    keys = (key for model in chosen for key in _fields(model))
    return list(dict.fromkeys(keys))


def _labels(model: Any) -> set[str]:
    """The names under which pydantic may list a model as a branch of a union."""
    choices = (choice for kind in _fields(model).values() for choice in get_args(kind))
    return {model.__name__, *(choice for choice in choices if isinstance(choice, str))}


def _fields(model: Any) -> dict[str, Any]:
    """The annotations of the fields of a model, by their keys in the data."""
    return {
        field.validation_alias if isinstance(field.validation_alias, str) else name: (
            field.annotation
        )
        for name, field in model.__pydantic_fields__.items()
        if field.init is not False
    }


def _models(type_: Any, path: Path_) -> Iterator[Any]:
    """The models that a type allows at a path."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        yield from _models(arguments[0], path)
    elif origin in (Union, UnionType):
        for argument in arguments:
            yield from _models(argument, path)
    elif hasattr(type_, "__pydantic_fields__"):
        if not path:
            yield type_
        elif path[0] in (fields := _fields(type_)):
            yield from _models(fields[path[0]], path[1:])
    elif path and arguments and isinstance(origin, type):
        yield from _models(_element(origin, arguments, path[0]), path[1:])


def _element(origin: Any, arguments: tuple[Any, ...], step: str | int) -> Any:
    """The type of one element of a collection."""
    if origin is tuple and isinstance(step, int) and Ellipsis not in arguments:
        return arguments[step] if step < len(arguments) else None
    return arguments[-1] if issubclass(origin, Mapping) else arguments[0]
