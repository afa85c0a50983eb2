"""Reading off a mapped loop nest; see `kcsim.kernels.layout` for the arrays."""

from __future__ import annotations

from typing import Any

from numba import njit
from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from kcsim.kernels.layout import INPUTS, OUTPUTS, TEMPORAL, WEIGHTS, C, G, M, N, P, Q, R, S


def _nothing() -> None:
    pass


_not_from_python: Any = njit(_nothing)
"""What runs in place of a part of kernels that Python calls: it expects no arguments."""


class _PartLibrary(JITCodeLibrary):
    """The code of a part as it was read: whoever takes it in makes it fast, all parts at once."""

    def finalize(self) -> None:
        self._finalized = True


class _PartCompiler(Compiler):
    """Compiles what other kernels take in, and no machine code of its own."""

    def define_pipelines(self) -> Any:
        self.state.flags.no_compile = True
        return super().define_pipelines()

    def _compile_core(self) -> Any:
        if not _not_from_python.signatures:
            _not_from_python.compile(())
        (instead,) = _not_from_python.overloads.values()
        state = self.state
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        result, context = super()._compile_core(), instead.target_context
        parts = [state.library, *dict.fromkeys(state.library._linking_libraries)]
        # Numba knows a function by what Python calls.
        entry = context.get_executable(instead.library, instead.fndesc, instead.environment)
        result.target_context.insert_user_function(entry, result.fndesc, parts)
        return result._replace(entry_point=entry)


def _part(function: Any, **options: Any) -> Any:
    compiled: Any = njit  # the stubs lack some of these options
    part = compiled(
        error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True,
        pipeline_class=_PartCompiler, **options,
    )(function)  # fmt: skip
    template = part.get_call_template

    def without_values(arguments: Any, named: Any) -> Any:
        # Numba would compile it again for each constant that it is given.
        named = {name: types.unliteral(each) for name, each in named.items()}
        return template([types.unliteral(each) for each in arguments], named)

    part.get_call_template = without_values
    return part


def allocating(function: Any) -> Any:
    """A part of kernels, which is compiled with them.

    Python cannot call it: wrappers, machine code and cache files of its own would more than double
    the time of the first run.
    """
    return _part(function)


def helper(function: Any) -> Any:
    """As `allocating`, for what neither makes nor returns an array.

    Whoever calls it holds the arrays, so that it need not count who does: that is atomic, and took
    half the time of a search.
    """
    return _part(function, _nrt=False)


# Called from one place only: compiled as a part of it, which spares the time to compile it alone.
inlined = njit(inline="always", error_model="numpy")


@helper
def cut_box(tensor, loops, span):
    """Fill the ``box`` of a tensor: the extent without the loops of the level outside of it."""
    for dimension in range(8):
        span.box[tensor, dimension] = span.extent[dimension]
    for i in range(span.above, span.outside[tensor]):
        span.box[tensor, loops[i].dimension] //= loops[i].bound


@helper
def measure(loops, heights, spans, steps):
    """Fill steps, and spans but for ``spread``, ``held`` and ``tile``.

    Returns
    -------
    int64
        Product of the temporal bounds: steps of the computation.
    """
    levels = spans.shape[0] - 1
    for dimension in range(8):
        spans[levels].extent[dimension] = 1
    spans[levels].above = loops.shape[0]
    for tensor in range(3):
        spans[levels].outside[tensor] = loops.shape[0]
    i = loops.shape[0] - 1
    for level in range(levels - 1, -1, -1):
        span, child, children = spans[level], spans[level + 1], 1
        for dimension in range(8):
            span.extent[dimension] = child.extent[dimension]
            span.spatial[dimension] = 1
        while i >= 0 and loops[i].level == level:
            dimension, bound = loops[i].dimension, loops[i].bound
            steps[i].step = span.extent[dimension]
            span.extent[dimension] *= bound
            if loops[i].kind != TEMPORAL:
                span.spatial[dimension] *= bound
                children *= bound
            i -= 1
        span.children, span.above = children, i + 1
        for tensor in range(3):
            span.outside[tensor] = i + 1 + heights[level, tensor]
            if heights[level, tensor] > 0:
                cut_box(tensor, loops, span)
    spans[0].instances = 1
    for level in range(levels):
        spans[level + 1].instances = spans[level].instances * spans[level].children
    temporal_steps = 1
    for i in range(loops.shape[0]):
        steps[i].outer = temporal_steps
        if loops[i].kind == TEMPORAL:
            temporal_steps *= loops[i].bound
    return temporal_steps


@helper
def clear(count):
    """Set a `COUNT` to zero."""
    count.reads = count.fills = count.updates = count.down = count.up = count.forwarded = 0


@helper
def window_extent(extent, window, axis):
    """Words along an input axis (0 rows, 1 columns) that a tile of an extent (int64[8]) needs."""
    outputs, taps = extent[P + axis], extent[R + axis]
    return window[axis].stride * (outputs - 1) + window[axis].dilation * (taps - 1) + 1


@helper
def plain_product(tensor, sizes):
    """Product of sizes (int64[8]) over a tensor's dimensions, window axes of inputs aside."""
    if tensor == WEIGHTS:
        product = sizes[M] * sizes[C] * sizes[R] * sizes[S]
    elif tensor == OUTPUTS:
        product = sizes[N] * sizes[M] * sizes[P] * sizes[Q]
    else:
        product = sizes[N] * sizes[C]
    return product * sizes[G]


@helper
def tile_size(tensor, extent, window):
    """Words of a tensor's tile; see `window_extent`."""
    words = plain_product(tensor, extent)
    if tensor == INPUTS:
        words *= window_extent(extent, window, 0) * window_extent(extent, window, 1)
    return words


@helper
def tile_words(tensor, span, window):
    """Words of a tensor's tile at its place."""
    if span.outside[tensor] > span.above:
        return tile_size(tensor, span.box[tensor], window)
    return tile_size(tensor, span.extent, window)


@helper
def tile_window(span, window, axis):
    """Words along an input axis of the tile of inputs at its place."""
    if span.outside[INPUTS] > span.above:
        return window_extent(span.box[INPUTS], window, axis)
    return window_extent(span.extent, window, axis)


@helper
def filled_box(plain, rows, columns, tile_rows, tile_columns):
    """Rows and columns of new words after a tile has moved.

    A window that slides forward along one axis keeps what it still covers; any
    other movement replaces the whole tile; no movement needs nothing.
    """
    if not plain:
        if rows == 0 and columns == 0:
            return 0, 0
        if columns == 0 and 0 < rows < tile_rows:
            return rows, tile_columns
        if rows == 0 and 0 < columns < tile_columns:
            return tile_rows, columns
    return tile_rows, tile_columns
