"""Accuracy beside clustered weights: in their file, in results and in tables."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from random_clustered import random_clustered
from safetensors.numpy import load, save

import kcsim
from kcsim.errors import InputError
from kcsim.report.accuracy_data import accuracy_table
from kcsim.report.comparison_figure import draw_comparison
from kcsim.report.documents import to_dict
from kcsim.weights.accuracy import Accuracy
from kcsim.weights.clustered_writer import to_bytes

KNOWN = Accuracy(
    "test.npz", 5000, "tied", 2, (0, 1), 0.915, (0.25, 0.31), (0.78, 0.775), (0.871, 0.866)
)
OTHERS = {"norm.running_mean": np.arange(8, dtype=np.float32), "norm.count": np.array(3)}


def weights(**changes):
    given = {"accuracy": KNOWN, "others": OTHERS, **changes}
    return replace(random_clustered(spec="row:k=5"), **given)


def test_accuracy_and_other_tensors_come_back_from_the_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    kcsim.save_clustered(weights(), path)
    again = kcsim.load_clustered(path)
    assert again.accuracy == KNOWN
    assert again.others.keys() == OTHERS.keys()
    for name, value in OTHERS.items():
        np.testing.assert_array_equal(again.others[name], value)
    content = path.read_bytes()
    header = int.from_bytes(content[:8], "little")
    assert len(content) - 8 - header == again.payload_bytes


def test_files_without_accuracy_are_what_they_were():
    header = to_bytes(random_clustered(spec="row:k=5"))
    assert b"accuracy" not in header


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dense": 1.5}, "out of range"),
        ({"dense": "good"}, "dense"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"seeds": [0]}, "one for each seed"),
        ({"seeds": []}, "seeds are missing"),
        ({"image_count": 0}, "image_count"),
        ({"speed": 3}, "speed"),
    ],
)
def test_wrong_accuracies_in_a_file_are_one_line(change, words, tmp_path):
    content = to_bytes(weights())
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = json.loads(header["__metadata__"]["kcsim"])
    metadata["accuracy"] |= change
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save(load(content), {"kcsim": json.dumps(metadata)}))
    with pytest.raises(InputError, match=words) as caught:
        kcsim.load_clustered(path)
    assert "weights.safetensors" in str(caught.value)


def test_results_say_it_for_dense_and_for_clustered_weights():
    result = kcsim.compare_executions("simple", weights=weights())
    assert {run.accuracy for run in result.runs.values()} == {0.915, 0.871}
    assert result.dense.accuracy == 0.915
    assert result.summary()["accuracy"].tolist() == [0.915] + [0.871] * 4
    assert "accuracy 87.10%" in str(result)
    runs = to_dict(result)["runs"]
    assert [run["accuracy"] for run in runs] == [0.915] + [0.871] * 4
    (title,) = [each.get_text() for each in draw_comparison(result).texts]
    assert title.endswith("Accuracy: dense 91.50 %, clustered 87.10 %")


def test_results_of_some_layers_and_of_plain_clusterings_say_nothing():
    some = random_clustered().network.select(["conv*"])
    found = kcsim.estimate("simple", some, weights=weights())
    assert all(run.accuracy is None for run in found.runs.values())
    plain = kcsim.estimate("simple", random_clustered().network, "row:k=5")
    assert "accuracy" not in str(plain)
    (title,) = [each.get_text() for each in draw_comparison(plain).texts]
    assert "ccuracy" not in title


def test_the_table_has_each_stage_and_the_spread_of_the_seeds():
    table = accuracy_table(weights())
    assert table.column("stage") == (
        "dense", "clustered", "batch norms estimated anew", "retrained",
    )  # fmt: skip
    assert table.column("least") == (0.915, 0.25, 0.775, 0.866)
    assert table.column("largest") == (0.915, 0.31, 0.78, 0.871)
    assert table.column("mean")[3] == pytest.approx(0.8685)
    untrained = replace(KNOWN, method="none", epochs=0)
    assert "retrained" not in accuracy_table(weights(accuracy=untrained)).column("stage")
    with pytest.raises(ValueError, match="nothing was measured"):
        accuracy_table(random_clustered())


def test_a_sentence_for_people():
    text = str(KNOWN)
    assert "dense 91.50 %, clustered 25.00 to 31.00 %" in text
    assert "retrained 86.60 to 87.10 %" in text
    assert "5000 images of test.npz; tied, 2 epochs; 2 seeds" in text


def test_json_has_all_runs():
    found = to_dict(weights())["accuracies"]
    assert found["retrained_accuracies"] == [0.871, 0.866]
    assert found["seeds"] == [0, 1]
    assert to_dict(random_clustered())["accuracies"] is None
