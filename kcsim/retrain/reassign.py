"""New entries for units whose gradients ask for them."""

from __future__ import annotations

from kcsim.retrain.torch_extra import torch
from kcsim.retrain.weight import TiedWeight

CHUNK = 8192
"""Units whose distances to all entries are in memory at once."""

_MOMENTA = ("exp_avg", "momentum_buffer", "max_exp_avg_sq")


@torch.no_grad()
def reassign(weight: TiedWeight) -> torch.Tensor:
    """Give each unit the entry that is nearest to where its gradients have drawn it.

    Entries stay what and where they are. A scale and an offset are refitted where the entry
    changes, by least squares. Units whose entry is zero for good keep it.

    Parameters
    ----------
    weight : TiedWeight
        With a drift.

    Returns
    -------
    bool tensor, shape (units,)
        Which units changed.
    """
    assert weight.drift is not None
    current = weight.units().flatten(-3).flatten(0, -2)
    target = current + weight.drift.flatten(-3).flatten(0, -2)
    table, rows = weight.table(), weight.rows()
    new = _nearest(weight, target, table, rows)
    changed = (new != rows) & weight.moves()
    new = torch.where(changed, new, rows)
    weight.set_rows(new)
    _refit(weight, target, table.index_select(0, new), changed)
    decoded = weight.units().flatten(-3).flatten(0, -2)
    # What drew a unit to its entry goes on from there.
    drift = torch.where(changed[:, None], target - decoded, target - current)
    weight.drift.copy_(drift.view_as(weight.drift))
    return changed


def _nearest(
    weight: TiedWeight, target: torch.Tensor, table: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor:
    """The row of the table that serves each unit best; of product quantization, of its own."""
    # Differences of squares cancel in single precision.
    table, target = table.double(), target.double()
    if weight.offsets is not None:
        table = table - table.mean(1, keepdim=True)
        target = target - target.mean(1, keepdim=True)
    norms = table.square().sum(1)
    blocks = weight.block_rows()
    new = rows.clone()
    for chosen, start, count in blocks:
        part = table[start : start + count]
        for places in torch.split(chosen, CHUNK):
            products = target.index_select(0, places) @ part.T
            if weight.scales is not None:
                gains = products.square() / norms[start : start + count].clamp(min=1e-30)
                best = gains.argmax(1)
            else:
                best = (norms[start : start + count] - 2 * products).argmin(1)
            new[places] = best + start
    return new


def _refit(
    weight: TiedWeight, target: torch.Tensor, entries: torch.Tensor, changed: torch.Tensor
) -> None:
    if weight.scales is None:
        return
    means = entries.mean(1) if weight.offsets is not None else torch.zeros_like(entries[:, 0])
    centered = entries - means[:, None]
    powers = centered.square().sum(1)
    scales = (target * centered).sum(1) / powers.clamp(min=1e-30)
    old = weight.scales.flatten()
    weight.scales.copy_(torch.where(changed, scales, old).view_as(weight.scales))
    if weight.offsets is not None:
        offsets = target.mean(1) - scales * means
        new = torch.where(changed, offsets, weight.offsets.flatten())
        weight.offsets.copy_(new.view_as(weight.offsets))


def forget(
    optimizer: torch.optim.Optimizer, parameter: torch.Tensor | None, changed: torch.Tensor
) -> None:
    """Reset the momenta of an optimizer where a parameter serves others than before.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    parameter : Tensor or None
    changed : bool tensor
        Shape of the first axes of the parameter.
    """
    if parameter is None or parameter not in optimizer.state:
        return
    for name, value in optimizer.state[parameter].items():
        if name in _MOMENTA and isinstance(value, torch.Tensor):
            value[changed] = 0
