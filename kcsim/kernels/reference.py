"""Tuples of arrays that functions are given by reference.

Numba gives a function all fields of all arrays of a named tuple one by one. A search has hundreds
of them: passing them took most of its time, and most of the time to compile it.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.core.imputils import impl_ret_borrowed, lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, models, register_model


class Reference(types.Type):
    """The place of a named tuple; its fields are read there, tuples again as references."""

    def __init__(self, pointee: Any) -> None:
        self.pointee = pointee
        # Names of compiled functions are made of those of types, and long ones take their time.
        super().__init__(name=f"Reference({pointee.instance_class.__name__})")

    @property
    def key(self) -> Any:
        """By what Numba tells types apart."""
        return self.pointee


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager: Any, reference: Reference) -> None:
        place = manager[reference.pointee].get_data_type().as_pointer()
        super().__init__(manager, reference, place)


def _refer(context: Any, value: Any) -> Any:
    """Give a named tuple by reference, for as long as the caller runs."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        model = context.data_model_manager[signature.args[0]]
        place = cgutils.alloca_once(builder, model.get_data_type())
        builder.store(model.as_data(builder, arguments[0]), place)
        return place

    return Reference(value)(value), generate


refer: Any = intrinsic(_refer)


@infer_getattr
class _ReferenceAttribute(AttributeTemplate):
    key = Reference

    def generic_resolve(  # type: ignore[override]  # Numba states no types
        self, reference: Reference, name: str
    ) -> Any:
        fields = reference.pointee.fields
        if name not in fields:
            return None
        field = reference.pointee.types[fields.index(name)]
        return Reference(field) if isinstance(field, types.BaseNamedTuple) else field


@lower_getattr_generic(Reference)
def _read(context: Any, builder: Any, reference: Reference, place: Any, name: str) -> Any:
    index = reference.pointee.fields.index(name)
    field = reference.pointee.types[index]
    place = cgutils.gep_inbounds(builder, place, 0, index)
    if isinstance(field, types.BaseNamedTuple):
        return place
    value = context.data_model_manager[field].load_from_data_pointer(builder, place)
    return impl_ret_borrowed(context, builder, field, value)
