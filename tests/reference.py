"""The reference cases of `data/timeloop` as layers, hardware and mappings of kcsim."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware, Precision
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer

FILE = Path(__file__).parent / "data" / "timeloop" / "cases.jsonl"


@dataclass(frozen=True)
class Case:
    """One case: what was counted, and what the reference tool printed."""

    name: str
    data: dict[str, Any]

    @property
    def layer(self) -> ConvLayer:
        size = dict.fromkeys("NGMCPQRS", 1) | self.data["dimensions"]
        stride = self.data["stride"]
        return ConvLayer(
            self.name,
            size["C"] * size["G"],
            size["M"] * size["G"],
            stride * (size["P"] - 1) + size["R"],
            stride * (size["Q"] - 1) + size["S"],
            size["R"],
            size["S"],
            stride,
            groups=size["G"],
            batch=size["N"],
        )

    @property
    def hardware(self) -> Hardware:
        bits = self.data.get("word_bits", 16)
        return Hardware(
            name=self.name,
            levels=tuple(_level(level, bits) for level in self.data["levels"]),
            compute=Compute(mac_pj=self.data["mac_pj"]),
            precision_bits=Precision(weights=bits, inputs=bits, outputs=bits),
        )

    @property
    def mapping(self) -> Mapping:
        return Mapping(
            tuple(
                LevelLoops(
                    level["name"],
                    *(
                        tuple(Loop(loop[0], loop[1]) for loop in level.get(kind, ()))
                        for kind in ("temporal", "x", "y")
                    ),
                    tuple(level.get("bypass", ())),
                )
                for level in self.data["levels"]
            )
        )

    def true_counts(self) -> dict[tuple[str, str], list[int]]:
        """Reads, fills, updates by level and tensor: the exact ones where they are known."""
        printed = {
            (level, tensor): numbers[:3]
            for level, tensors in self.data["counts"].items()
            for tensor, numbers in tensors.items()
        }
        exact = {
            (level, tensor): numbers
            for level, tensors in self.data.get("exact", {}).items()
            for tensor, numbers in tensors.items()
            if (level, tensor) in printed
        }
        return printed | exact


def _level(data: dict[str, Any], bits: int) -> Level:
    read, fill, update = data["pj"]
    x, y = data.get("mesh", (1, 1))
    return Level(
        name=data["name"],
        read_pj=read,
        write_pj=fill,
        update_pj=update,
        word_bits=bits,
        block_words=data.get("block", 1),
        capacity_words=data.get("words"),
        keeps=data.get("keeps"),
        read_words_per_cycle=data.get("bandwidth"),
        write_words_per_cycle=data.get("bandwidth"),
        leakage_pj_per_cycle=data.get("leak", 0.0),
        fanout=Fanout(x=x, y=y, forwarding=tuple(data.get("forwarding", ()))),
    )


def _cases() -> dict[str, Case]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {data["id"]: Case(data["id"], data) for data in map(json.loads, lines)}


CASES = _cases()
