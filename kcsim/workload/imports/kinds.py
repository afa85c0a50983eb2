"""What operations of torch and ONNX are, by their names in small letters."""

from __future__ import annotations

VIEWS = frozenset((
    "view", "reshape", "flatten", "unflatten", "transpose", "permute", "t", "squeeze",
    "unsqueeze", "expand", "expand_as", "alias", "contiguous", "clone", "detach", "getitem",
    "chunk", "split", "split_with_sizes", "slice", "select", "unbind", "narrow", "movedim",
    "swapaxes", "to", "_to_copy", "type_as", "lift_fresh_copy", "identity", "cast",
    "_unsafe_view", "view_as", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    "depthtospace", "spacetodepth", "unfold_view", "tensor_split", "broadcast_to",
    "_assert_tensor_metadata", "quantizelinear", "dequantizelinear", "float", "half", "int",
    "long", "copy", "_reshape_alias", "squeeze_copy", "mt", "mh", "adjoint", "numpy_t", "flip",
    "real", "is_floating_point", "sym_size", "item", "_local_scalar_dense",
))  # fmt: skip
"""The same words in another shape or order, or in another type; they move with what reads them."""

POINTWISE = frozenset((
    "relu", "relu6", "hardtanh", "gelu", "silu", "swish", "sigmoid", "tanh", "hardswish",
    "hardsigmoid", "leaky_relu", "leakyrelu", "elu", "selu", "celu", "prelu", "rrelu", "clamp",
    "clip", "clamp_min", "clamp_max", "dropout", "feature_dropout", "alpha_dropout",
    "native_dropout", "exp", "log", "sqrt", "rsqrt", "reciprocal", "neg", "abs", "pow", "square",
    "softplus", "softsign", "mish", "logsigmoid", "threshold", "sin", "cos", "erf", "floor",
    "ceil", "round", "sign", "thresholdedrelu", "add", "sub", "mul", "div", "rsub", "true_divide",
    "floor_divide", "hardshrink", "softshrink", "tanhshrink", "masked_fill", "where",
    "nan_to_num", "logical_not", "not", "bitwise_not", "isnan", "eq", "ne", "lt", "gt", "le",
    "ge", "max", "min", "maximum", "minimum", "fill", "fill_", "zero", "logit", "expm1", "log1p",
    "log2", "remainder", "hard_sigmoid", "fake_quantize_per_tensor_affine",
    "fake_quantize_per_channel_affine", "quickgelu", "biasgelu",
))  # fmt: skip
"""One tensor in, one of its shape out."""

POOLS = frozenset((
    "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "lp_pool2d", "max_pool1d_with_indices", "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d", "mean", "amax", "amin", "fractional_max_pool2d", "maxpool",
    "averagepool", "lppool", "globalaveragepool", "globalmaxpool", "globallppool", "reducemean",
    "reducemax", "reducesum", "reducemin", "reducel2", "sum",
))  # fmt: skip

CONCATENATIONS = frozenset((
    "cat", "concat", "concatenate", "stack",
))  # fmt: skip

TWO_TENSORS = frozenset((
    "add", "sub", "mul", "div", "maximum", "minimum", "sum", "max", "min", "where", "pow",
    "prelu", "true_divide", "eq", "ne", "lt", "gt", "le", "ge", "and", "or", "xor", "mod",
    "bitwise_and", "bitwise_or", "logical_and", "logical_or", "greater", "less", "equal",
    "addcmul", "addcdiv", "lerp", "mean",
))  # fmt: skip
"""What takes two or more tensors and works value by value."""

CREATIONS = frozenset((
    "zeros", "ones", "full", "arange", "empty", "zeros_like", "ones_like", "full_like",
    "empty_like", "scalar_tensor", "eye", "new_zeros", "new_ones", "new_full", "new_empty",
    "linspace", "rand", "randn", "rand_like", "randn_like", "tensor", "shape", "constant",
    "constantofshape", "range", "size", "randomnormal", "randomuniform", "eyelike",
    "randomnormallike", "randomuniformlike",
))  # fmt: skip
"""Tensors that no other one is moved for."""
