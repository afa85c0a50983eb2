"""Spans of words as values of Numba kernels: loaded, added, multiplied, stored as vectors.

LLVM finds no vectors of its own where arrays may overlap; a span is one of its vectors from the
start, and is cut into whatever registers the machine has.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

SPAN = 64
_FUSE = ("contract",)


class SpanType(types.Type):
    """`SPAN` words in vector registers."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Span({dtype})")


@register_model(SpanType)
class SpanModel(models.PrimitiveModel):
    """A span as one LLVM vector, which is cut into registers of the machine."""

    def __init__(self, manager: Any, span: Any) -> None:
        word = manager.lookup(span.dtype).get_value_type()
        super().__init__(manager, span, ir.VectorType(word, SPAN))


def _address(context, builder, array_type, arguments, vector):
    array, index = arguments[:2]
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _load(typing_context, array, index):
    """The span of a contiguous vector that starts at an index."""

    def generate(context, builder, signature, arguments):
        vector = context.get_value_type(signature.return_type)
        address = _address(context, builder, signature.args[0], arguments, vector)
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return SpanType(array.dtype)(array, types.intp), generate


def _word(typing_context, array, index):
    """A word of a contiguous vector; unlike ``array[index]`` for an index from 0 on alone."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [arguments[1]]))

    return array.dtype(array, types.intp), generate


def _store(typing_context, array, index, span):
    """Write a span to a contiguous vector."""

    def generate(context, builder, signature, arguments):
        vector = context.get_value_type(span)
        address = _address(context, builder, signature.args[0], arguments, vector)
        builder.store(arguments[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, span), generate


def _plus(typing_context, a, b):
    """Sum of two spans."""

    def generate(context, builder, signature, arguments):
        if isinstance(a.dtype, types.Float):
            return builder.fadd(*arguments, flags=_FUSE)
        return builder.add(*arguments)

    return a(a, b), generate


def _spread(builder, vector, number):
    """A vector of one word."""
    empty, index = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(empty, number, ir.Constant(index, 0))
    zeros = ir.Constant(ir.VectorType(index, SPAN), [0] * SPAN)
    return builder.shuffle_vector(first, empty, zeros)


def _plus_word(typing_context, a, summand):
    """Sum of a span and a word."""

    def generate(context, builder, signature, arguments):
        summands = _spread(builder, context.get_value_type(a), arguments[1])
        if isinstance(a.dtype, types.Float):
            return builder.fadd(arguments[0], summands)
        return builder.add(arguments[0], summands)

    return a(a, a.dtype), generate


def _times(typing_context, a, factor):
    """Product of a span and a word; fused with an addition of it, if that follows."""

    def generate(context, builder, signature, arguments):
        factors = _spread(builder, context.get_value_type(a), arguments[1])
        if isinstance(a.dtype, types.Float):
            return builder.fmul(arguments[0], factors, flags=_FUSE)
        return builder.mul(arguments[0], factors)

    return a(a, a.dtype), generate


def _store_some(typing_context, array, index, span, count):
    """Write the first `count` words of a span, at most `SPAN`, to a contiguous vector."""

    def generate(context, builder, signature, arguments):
        vector = context.get_value_type(span)
        address = _address(context, builder, signature.args[0], arguments, vector)
        # Bytes hold the numbers of places and compare at once.
        number = ir.IntType(8)
        numbers = ir.VectorType(number, SPAN)
        places = ir.Constant(numbers, list(range(SPAN)))
        kept = _spread(builder, numbers, builder.trunc(arguments[3], number))
        mask = builder.icmp_signed("<", places, kept)
        kind = f"{'f' if isinstance(span.dtype, types.Float) else 'i'}{span.dtype.bitwidth}"
        parts = [vector, address.type, ir.IntType(32), mask.type]
        masked = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), parts),
            f"llvm.masked.store.v{SPAN}{kind}.p0",
        )
        align = ir.Constant(ir.IntType(32), span.dtype.bitwidth // 8)
        builder.call(masked, [arguments[2], address, align, mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, span, types.intp), generate


word: Any = intrinsic(_word)
load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
plus: Any = intrinsic(_plus)
plus_word: Any = intrinsic(_plus_word)
times: Any = intrinsic(_times)
store_some: Any = intrinsic(_store_some)
