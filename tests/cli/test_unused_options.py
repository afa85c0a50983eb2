"""Options that would change nothing are refused, and so are empty ones."""

from __future__ import annotations

import pytest

LAYER = ("map", "--hw", "simple", "--layer", "lenet5/conv1")
FRONT = ("front", *LAYER[1:])
CLUSTER = ("cluster", "--weights", "x.npz", "-n", "lenet5")

UNUSED = {
    "YAML of no network": (("networks", "--yaml"), "--yaml has no effect here: no network"),
    "format of a mapping": ((*LAYER, "--format", "json"), "expected --best or --why"),
    "difference of one mapping": ((*LAYER, "--differ", "tiles"), "mappings are not compared"),
    "seed of exact clusters": ((*CLUSTER, "--cluster", "scalar:k=4", "--seed", "1"), "--seed has"),
    "starts of exact clusters": (
        (*CLUSTER, "--cluster", "scalar:ratio=4", "--starts", "3"), "'scalar' makes no random",
    ),
    "figure beside a sweep": (
        ("compare", "--hw", "simple", "--cluster", "kernel:k=4", "--sweep", "x.yaml",
         "--plot", "x.pdf"),
        "--plot has no effect here: a sweep is written",
    ),
    "weights of a sweep": (
        ("compare", "--hw", "simple", "--weights", "x.safetensors", "--sweep", "x.yaml"),
        "--weights has no effect here: a sweep is written",
    ),
    "seed of found clusters": ((*CLUSTER, "--cluster", "found", "--seed", "0"), "--seed has no"),
}  # fmt: skip

ENDINGS = {
    "spreadsheet": (
        ("estimate", "--hw", "simple", "-o", "x.xlsx"),
        "the ending of 'x.xlsx' names no format that is written here; expected one of .txt, .json, "
        ".csv, .md, .tex, none, or --format",
    ),
    "misspelt": (("compare", "--hw", "simple", "-o", "x.jsn"), "did you mean '.json'?"),
    "table of a mapping": ((*LAYER, "-o", "x.csv"), "expected one of .yaml, .yml, none"),
    "mapping as a loop nest": ((*LAYER, "--loops", "-o", "x.yaml"), "expected one of .txt, none"),
    "clustered weights": ((*CLUSTER, "--cluster", "row:k=4", "-o", "x.npz"), ".safetensors"),
    "ranking as a mapping": ((*LAYER, "--best", "2", "-o", "x.yaml"), "one of .txt, .json"),
    "mappings as JSON": (
        ("map-network", "--hw", "x", "-n", "lenet5", "-o", "x.json"), "no JSON form",
    ),
    "two results in one file": (
        ("estimate", "--hw", "simple", "-o", "./x.svg", "--format", "csv", "--plot", "x.svg"),
        "both -o and --plot write 'x.svg'; expected two files",
    ),
}  # fmt: skip

EMPTY = [
    ("hardware", ""),
    ("networks", ""),
    ("schema", ""),
    ("estimate", "--hw", ""),
    ("estimate", "--hw", "simple", "-n", ""),
    ("estimate", "--hw", "simple", "--weights", ""),
    ("estimate", "--hw", "simple", "--cluster", ""),
    ("estimate", "--hw", "simple", "--layers", ""),
    ("estimate", "--hw", "simple", "--set", ""),
    ("estimate", "--hw", "simple", "--zeros", ""),
    ("estimate", "--hw", "simple", "--execution", ""),
    ("estimate", "--hw", "simple", "--decode-level", ""),
    ("estimate", "--hw", "simple", "--objective", ""),
    ("estimate", "--hw", "simple", "--format", ""),
    ("estimate", "--hw", "simple", "--plot", ""),
    ("estimate", "--hw", "simple", "-o", ""),
    ("compare", "--hw", "simple", "--cluster", "kernel:k=2", "--plot", ""),
    ("map", "--hw", "simple", "--layer", ""),
    ("map-network", "--hw", "simple", "-n", "lenet5", "--save", ""),
    ("evaluate", "--hw", "simple", "--layer", "lenet5/conv1", "--mapping", ""),
    ("check", "--hw", ""),
    ("check-weights", "--weights", ""),
    ("check-weights", "--weights", "x", "--inputs", ""),
    ("cluster", "--weights", "", "-n", "lenet5", "--cluster", "row:k=4"),
    ("cluster", "--weights", "x", "-n", "lenet5", "--cluster", "row:k=4", "--names", ""),
]


@pytest.mark.parametrize("case", UNUSED)
def test_an_option_without_effect_is_refused(kcsim, case):
    arguments, text = UNUSED[case]
    outcome = kcsim(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: ")
    assert text in outcome.err


TOGETHER = [
    ("--imperfect", "--fix x.yaml"),
    ("--imperfect", "--best 3"),
    ("--imperfect", "--why"),
    ("--loops", "--best 3"),
    ("--loops", "--why"),
    ("--plot x.pdf", "--best 3"),
    ("--plot x.pdf", "--why"),
]


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_options_that_do_not_go_together_are_refused(kcsim, one, other):
    for options in ((one, other), (other, one)):
        outcome = kcsim(*LAYER, *" ".join(options).split())
        assert (outcome.code, outcome.out) == (2, "")
        names = " and ".join(option.split()[0] for option in (one, other))
        assert outcome.err.startswith(f"error: {names} do not go together; expected one of them: ")
        assert len(outcome.err.splitlines()) == 1


OTHERS = {
    ("map", "--network", "alexnet"): "--network; expected 'kcsim map-network', which has it",
    ("map", "--hw", "simple", "-n", "alexnet"): "-n; expected 'kcsim map-network', which has it",
    ("map", "--save=maps"): "--save; expected 'kcsim map-network', which has it",
    (*LAYER, "--front"): "--front; expected 'kcsim front'",
    ("map-network", "--loops"): "--loops; expected 'kcsim map', which has it",
    (*FRONT, "--objective", "edp"): (
        "--objective; expected 'kcsim map' or 'kcsim map-network', which have it"
    ),
    (*FRONT, "--imperfect"): (
        "--imperfect; expected 'kcsim map' or 'kcsim map-network', which have it"
    ),
    (*FRONT, "--loops"): "--loops; expected 'kcsim map', which has it",
    (*FRONT, "--best", "3"): "--best; expected 'kcsim map', which has it",
    ("map-network", "--why"): "--why; expected 'kcsim map', which has it",
    ("check", "--weights", "x"): "--weights; expected 'kcsim check-weights', which has it",
    ("check", "--cluster", "scalar:k=2"): "--cluster; expected 'kcsim check-sharing', which has it",
    ("check-sharing", "--mapping", "x"): "--mapping; expected 'kcsim check', which has it",
    ("check-weights", "--limit", "9"): (
        "--limit; expected 'kcsim check' or 'kcsim check-sharing', which have it"
    ),
    ("networks", "--batch", "4"): (
        "--batch; expected 'kcsim estimate', 'kcsim compare', 'kcsim map', 'kcsim map-network', "
        "'kcsim front', 'kcsim evaluate', 'kcsim check', 'kcsim check-sharing' or "
        "'kcsim check-weights', which have it"
    ),
    (*LAYER, "--loop"): "--loop; did you mean '--loops'?",
    (*LAYER, "--qwertz"): "--qwertz",
}  # fmt: skip
USAGE = {
    ("map", "--hw", "simple"): "kcsim map: missing option '--layer'",
    ("map", "--hw"): "option '--hw' requires an argument",
    ("schema",): "kcsim schema: missing argument 'KIND'",
    ("networks", "alexnet", "vgg16"): "kcsim networks: got unexpected extra argument",
    ("--qwertz",): "'kcsim' itself has no option --qwertz; expected a command before it",
}


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_an_option_of_another_command_names_that_command(kcsim, arguments):
    outcome = kcsim(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"error: 'kcsim {arguments[0]}' has no option {OTHERS[arguments]}\n"


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_a_wrong_command_line_is_told_in_one_line(kcsim, arguments):
    outcome = kcsim(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {USAGE[arguments]}")
    assert outcome.err.count("\n") == 1


def test_a_misspelled_command(kcsim):
    outcome = kcsim("chek")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("error: kcsim: no such command 'chek'")
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("case", ENDINGS)
def test_a_file_whose_ending_says_something_else_is_refused(kcsim, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, text = ENDINGS[case]
    outcome = kcsim(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert text in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", EMPTY)
def test_empty_texts_are_refused(kcsim, arguments):
    outcome = kcsim(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert " is given an empty text; expected a value, or nothing at all\n" in outcome.err


def test_a_format_that_is_named_may_go_into_any_file(kcsim, tmp_path):
    path = tmp_path / "table.out"
    arguments = ("estimate", "--hw", "simple", "-n", "lenet5", "--layers", "conv1")
    assert kcsim(*arguments, "--format", "csv", "-o", path).code == 0
    assert path.read_text().startswith("run,layer,")
    assert kcsim(*arguments, "-o", tmp_path / "table.txt").code == 0
    assert kcsim(*arguments, "-o", tmp_path / "table").code == 0


def test_batches_beside_all_inputs_are_refused(kcsim, tmp_path):
    import numpy as np

    pytest.importorskip("torch")
    weights, clustered = tmp_path / "weights.npz", tmp_path / "clustered.safetensors"
    network, inputs = tmp_path / "net.yaml", tmp_path / "inputs.npz"
    network.write_text(
        "name: net\nlayers: [{name: a, type: conv, in_channels: 2, in_size: 4, out_channels: 3, "
        "kernel: 3}]\n"
    )
    np.savez(weights, **{"a.weight": np.arange(54, dtype=np.float32).reshape(3, 2, 3, 3)})
    np.savez(inputs, a=np.ones((2, 2, 4, 4), np.float32))
    arguments = ("-n", network, "--weights", weights, "--cluster", "kernel:k=4")
    assert kcsim("cluster", *arguments, "-o", clustered).code == 0
    check = ("check-weights", "--weights", clustered, "--inputs", inputs)
    assert kcsim(*check).code == 0
    outcome = kcsim(*check, "--batch", "2")
    assert outcome.code == 2
    assert "--batch has no effect here: the inputs of all layers are given" in outcome.err
    outcome = kcsim("check-weights", "--weights", clustered, "--batch", "0")
    assert outcome.code == 2
    assert "batch is 0" in outcome.err
