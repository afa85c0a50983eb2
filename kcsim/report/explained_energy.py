"""Where an energy of a layer's account comes from: accesses times the price of one."""

from __future__ import annotations

from collections.abc import Sequence

from kcsim.errors import InputError, Problem, nearest
from kcsim.hardware.explained import explain_number, number_places
from kcsim.hardware.reader import load_hardware
from kcsim.hardware.schema import Hardware
from kcsim.model.best import map_layer
from kcsim.model.energy import EnergyItem
from kcsim.workload.reader import load_layer

_PRICES = {"read": "read_pj", "fill": "write_pj", "update": "write_pj"}
_NETWORK = {"transfer": "transfer_pj", "forward": "transfer_pj", "hop": "hop_pj"}
_ARITHMETIC = {"compute": "compute.mac_pj", "gate": "compute.gated_mac_pj"}


def explain_energy(
    spec: str, name: str, layer: str, overrides: Sequence[str] = ()
) -> tuple[str, ...]:
    """Where an energy of the account of a layer's best mapping comes from, in lines.

    Parameters
    ----------
    spec : str
        A hardware file.
    name : str
        Component, tensor (if any) and action, as ``buffer inputs read``.
    layer : str
        As `kcsim.load_layer` takes it.
    overrides : sequence of str

    Raises
    ------
    InputError
        If the account has no such energy.
    """
    hardware = load_hardware(spec, overrides)
    estimate = map_layer(load_layer(layer), hardware)
    items = {_name(item): item for item in estimate.items}
    if name not in items:
        problem = f"there is no energy '{name}' in the account of {layer}"
        raise InputError(Problem(problem, "one of " + ", ".join(items), nearest(name, items)))
    item, unit = items[name], hardware.energy_unit
    price = item.energy / item.accesses if item.accesses else 0.0
    lines = (
        f"{name} = {item.energy:.6g} {unit} = {item.accesses} accesses x {price:.6g} {unit}",
        f"accesses: {item.count} words or operations, {item.bits:.6g} bits, in blocks of one "
        "access each, rounded up",
        "mapping: the best one found; 'kcsim map' prints it",
    )
    place = _place(hardware, item)
    return (*lines, *explain_number(spec, place, overrides)) if place else lines


def _name(item: EnergyItem) -> str:
    return " ".join(filter(None, (item.component, item.tensor, item.action)))


def _place(hardware: Hardware, item: EnergyItem) -> str:
    """The number of the hardware that is the price of an item; empty where it is of several."""
    known = number_places(hardware)
    if item.component == "MAC":
        return _ARITHMETIC[item.action]
    if item.component == "codebook" and item.action == "lookup":
        return "codebook.read_pj"
    for level in hardware.levels:
        if item.component == f"{level.name} network":
            return f"levels.{level.name}.fanout.{_NETWORK[item.action]}"
        if item.component == level.name:
            key = _PRICES[item.action]
            places = [f"levels.{level.name}.{key}"]
            if item.action == "update":
                places.insert(0, f"levels.{level.name}.update_pj")
            part = level.partition_of(item.tensor)
            if part:
                index = level.partitions.index(part)
                places.insert(0, f"levels.{level.name}.partitions[{index}].{key}")
            return next((each for each in places if each in known), "")
    return ""
