"""Streams that are closed, full or broken, or that know few characters."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

ESTIMATE = "estimate --hw eyeriss -n lenet5"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which KCSIM stands for the command."""
    code = "from kcsim.cli.main import run; run()"
    # As users have it: what is said is buffered.
    command = f"env -u PYTHONUNBUFFERED {shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    return subprocess.run(
        ["bash", "-c", "set -o pipefail; " + line.replace("KCSIM", command)],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_results_are_printed_where_the_error_stream_is_closed():
    whole = shell(f"KCSIM {ESTIMATE}")
    assert whole.returncode == 0
    closed = shell(f"KCSIM {ESTIMATE} 2>&-")
    assert (closed.returncode, closed.stdout) == (0, whole.stdout)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&- <&-"])
@pytest.mark.parametrize("options", ["--hw eyeris", "--bogus"])
def test_mistakes_keep_their_code_where_nobody_hears_of_them(options, redirection):
    done = shell(f"KCSIM estimate {options} {redirection}")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_file_is_written_with_all_streams_closed(tmp_path):
    path = tmp_path / "x.json"
    done = shell(f"KCSIM {ESTIMATE} -o {path} <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(path.read_text())["schema"] == "kcsim.result/2"


def test_nothing_read():
    assert shell(f"KCSIM {ESTIMATE} <&-").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ESTIMATE,
        f"{ESTIMATE} --format csv",
        "map --hw eyeriss --layer lenet5/conv1",
        "check --hw simple --layer lenet5/conv1",
        "hardware",
        "hardware eyeriss",
        "networks lenet5",
        "schema hardware",
        "--help",
        "map --help",
        "--version",
    ],
)
def test_a_full_disk_is_one_line(arguments):
    done = shell(f"KCSIM {arguments} >/dev/full")
    lines = [line for line in done.stderr.splitlines() if "compiling" not in line]
    assert lines == ["error: standard output: no space left on device"]
    assert done.returncode == 2


def test_a_closed_output_is_one_line():
    done = shell("KCSIM networks >&-")
    assert (done.returncode, done.stderr) == (2, "error: standard output: it is closed\n")


@pytest.mark.parametrize("arguments", ["networks densenet121", "schema hardware", "--help"])
def test_a_reader_that_goes_away_is_no_error(arguments):
    # Not the code of layers that differ, which is 1.
    done = shell(f"KCSIM {arguments} | true")
    assert (done.returncode, done.stderr) in ((141, ""), (0, ""))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("form", ["table", "markdown", "csv"])
def test_names_that_an_output_cannot_show(tmp_path, encoding, form):
    path = tmp_path / "net.yaml"
    path.write_text(
        "name: réseau\nlayers: [{name: 層1, type: linear, in_features: 4, out_features: 2}]\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-c", "from kcsim.cli.main import run; run()", "estimate", "--hw",
         "simple", "-n", str(path), "--format", form],
        capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    if encoding == "utf-8":
        assert "層1".encode() in done.stdout


def test_a_network_is_read_back_from_an_output_that_knows_few_characters(tmp_path):
    path, again = tmp_path / "net.yaml", tmp_path / "again.yaml"
    path.write_text(
        "name: é\nlayers: [{name: 層1, type: linear, in_features: 4, out_features: 2}]\n",
        encoding="utf-8",
    )
    assert shell(f"KCSIM networks {path} --yaml >{again}", PYTHONIOENCODING="ascii").returncode == 0
    second = shell(f"KCSIM networks {again} --yaml", PYTHONIOENCODING="utf-8")
    assert second.returncode == 0
    assert "層1" in second.stdout
