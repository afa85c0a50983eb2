"""Values in few bits, and units with scales and offsets, with their gradients."""

from __future__ import annotations

from typing import Any

from kcsim.retrain.torch_extra import torch


def rounded(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Values as `kcsim.clustering.precision.quantize` stores them; gradients pass unchanged.

    Parameters
    ----------
    values : float tensor
    bits : int
        Width of one value [bit]; 32 or more change nothing.
    """
    return values if bits >= 32 else _Rounded.apply(values, bits)  # type: ignore[no-untyped-call]


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: torch.Tensor, bits: int) -> torch.Tensor:
        return _stored(values, bits)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None


def scaled(
    units: torch.Tensor,
    scales: torch.Tensor,
    offsets: torch.Tensor | None,
    keep: torch.Tensor | None,
    bits: tuple[int, int],
) -> torch.Tensor:
    """Offset + scale * unit, of scales and offsets as they are stored.

    One function of torch in place of many: what they would cost outweighs the arithmetic.

    Parameters
    ----------
    units : float tensor, shape (units, values) or (units,)
    scales, offsets : float tensor, one value for each unit, or None
    keep : bool tensor of their shape, or None
        Where they are zero and stay zero.
    bits : (int, int)
        Widths of a scale and of an offset [bit].
    """
    given = units, scales, offsets, keep, bits
    result: torch.Tensor = _Scaled.apply(*given)  # type: ignore[no-untyped-call]
    return result


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        units: torch.Tensor,
        scales: torch.Tensor,
        offsets: torch.Tensor | None,
        keep: torch.Tensor | None,
        bits: tuple[int, int],
    ) -> torch.Tensor:
        shape = (-1, *(1,) * (units.ndim - 1))
        factors = _kept(_stored(scales, bits[0]), keep).view(shape)
        result = units * factors
        if offsets is not None:
            result += _kept(_stored(offsets, bits[1]), keep).view(shape)
        needs_units, needs_scales, *_ = context.needs_input_grad
        context.save_for_backward(
            units if needs_scales else None, factors if needs_units else None, keep
        )
        context.shape = scales.shape
        return result

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        units, factors, keep = context.saved_tensors
        needs_units, needs_scales, needs_offsets, *_ = context.needs_input_grad

        def of_units(values: torch.Tensor) -> torch.Tensor:
            sums = values.sum(1) if values.ndim > 1 else values
            return _kept(sums.view(context.shape), keep)

        return (
            gradient * factors if needs_units else None,
            of_units(gradient * units) if needs_scales else None,
            of_units(gradient) if needs_offsets else None,
            None,
            None,
        )


def _kept(values: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
    return values if keep is None else torch.where(keep, values, 0)


def _stored(values: torch.Tensor, bits: int) -> torch.Tensor:
    if bits >= 32:
        return values
    if bits == 16:
        return values.half().to(values.dtype)
    limit = 2 ** (bits - 1) - 1
    largest = values.abs().max() if values.numel() else values.new_zeros(())
    least = torch.finfo(torch.float32).tiny
    step = (largest.double() / limit).float().clamp(min=least) if largest else largest + 1
    codes = (values.double() / step.double()).round().clamp(-limit, limit)
    return codes.to(values.dtype) * step
