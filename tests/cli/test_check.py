"""``kcsim check`` and ``check-sharing``: what agrees, what differs, what is refused."""

from __future__ import annotations

import dataclasses
import sys

import pytest

from kcsim.model import counts as counting
from kcsim.replay import dense as replaying

SMALL = ("check", "--hw", "eyeriss.yaml", "--layer", "lenet5/conv1")


def test_counts_and_outputs_agree(kcsim):
    pytest.importorskip("torch")
    outcome = kcsim(*SMALL)
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "conv1 on eyeriss: 288000 MACs executed in 9600 steps of 30 MAC units",
        "reads, fills and updates of 3 tensors at 3 levels: equal",
        "transfers down, up and to neighbors of 3 tensors at 3 levels: equal",
        "tiles, instances and steps: equal",
        "outputs: equal to torch, bit for bit",
    ]


def test_without_torch_a_convolution_of_its_own(kcsim, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = kcsim(*SMALL, "--batch", 2)
    assert outcome.code == 0
    assert "conv1 on eyeriss: 576000 MACs" in outcome.out
    assert "outputs: equal to a direct convolution, bit for bit" in outcome.out


def test_a_mapping_file(kcsim, tmp_path):
    mapping = tmp_path / "conv1.yaml"
    kcsim("map", *SMALL[1:], "--objective", "cycles", "-o", mapping)
    outcome = kcsim(*SMALL, "--mapping", mapping)
    assert outcome.code == 0
    assert outcome.out.count("equal") == 4


def test_a_wrong_count_is_shown(kcsim, monkeypatch):
    right = counting.count_layer

    def wrong(*arguments):
        counts = right(*arguments)
        accesses, transfers = counts.accesses.copy(), counts.transfers.copy()
        accesses[1, 1, 0] += 1
        transfers[0, 2, 1] -= 2
        return dataclasses.replace(counts, accesses=accesses, transfers=transfers)

    monkeypatch.setattr(counting, "count_layer", wrong)
    outcome = kcsim(*SMALL)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert lines[1] == "reads, fills and updates of 3 tensors at 3 levels: 1 different"
    assert lines[2].startswith("  buffer inputs reads: counted ")
    assert lines[3].endswith("of 3 tensors at 3 levels: 1 different")
    assert lines[4].startswith("  DRAM outputs up: counted ")
    assert lines[-1].endswith("bit for bit")


def test_a_wrong_output_is_shown(kcsim, monkeypatch):
    right = replaying.replay_layer

    def wrong(*arguments):
        replay = right(*arguments)
        replay.outputs[0, 0, 0, :2] += 1
        return replay

    monkeypatch.setattr(replaying, "replay_layer", wrong)
    outcome = kcsim(*SMALL)
    assert outcome.code == 1
    assert "outputs: 2 of 11520 differ from " in outcome.out


def test_what_takes_too_long_is_refused(kcsim):
    outcome = kcsim("check", "--hw", "eyeriss", "--layer", "vgg16/conv2-1", "--limit", 5)
    assert (outcome.code, outcome.out) == (2, "")
    assert "replaying the 924844032 MACs of conv2-1 would take about" in outcome.err
    assert "the limit of 5 seconds" in outcome.err
    assert "--limit" in outcome.err


def test_a_negative_limit(kcsim):
    outcome = kcsim(*SMALL, "--limit", -1)
    assert outcome.code == 2
    assert "--limit" in outcome.err


SHARED = (
    "check-sharing",
    "--hw",
    "simple.yaml",
    "--layer",
    "lenet5/conv1",
    "--cluster",
    "scalar:k=3",
)


def test_shared_products_and_sums_agree(kcsim):
    pytest.importorskip("torch")
    outcome = kcsim(*SHARED)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith("conv1 on simple, share_products: ")
    assert lines[3].startswith("conv1 on simple, share_sums: ")
    same = "reads, fills, updates and transfers of all three nests: equal"
    assert lines[1] == lines[4] == same
    assert lines[2] == lines[5] == "outputs: equal to torch, bit for bit"


def test_a_wrong_count_of_a_shared_layer_is_shown(kcsim, monkeypatch):
    from kcsim.sharing import account as estimating

    right = estimating.count_outer

    def wrong(*arguments):
        counts = right(*arguments)
        accesses = counts.accesses.copy()
        accesses[0, 1, 0] += 1
        return dataclasses.replace(counts, accesses=accesses)

    monkeypatch.setattr(estimating, "count_outer", wrong)
    outcome = kcsim(*SHARED, "--execution", "share_sums")
    assert outcome.code == 1
    assert outcome.out.splitlines()[1].endswith("of all three nests: 1 different")
    assert "  outer DRAM inputs reads: counted " in outcome.out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--execution", "share_sum"), "--execution is 'share_sum'"),
        (("--limit", "0.001"), "executing conv1 would take about"),
        (("--cluster", "kernel:k=3,dense=conv1"), "leaves conv1 dense"),
        (("--cluster", "kernal:k=3"), "kernal"),
    ],
)
def test_what_cannot_be_checked_is_refused(kcsim, more, message):
    outcome = kcsim(*SHARED, *more)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("error: ") == 1
