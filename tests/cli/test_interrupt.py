"""Ctrl-C ends any command soon, with one line and exit code 130."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kcsim.cli import interrupt

DATA = Path(__file__).parent.parent / "data" / "searches"
SLACK = 3.0
"""Seconds that a busy machine may take beyond the two that are promised."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")

LAYER = """\
{name: long, type: conv, in_channels: 64, out_channels: 64, in_size: 56, kernel: 3, padding: 1}
"""
NETWORK = "name: net\nlayers: [" + LAYER.strip() + "]\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "layer.yaml").write_text(LAYER)
    (tmp_path / "net.yaml").write_text(NETWORK)
    return tmp_path


TAKES_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Where the tests run in the background of a script, they and their children ignore interrupts."""
RUN = "from kcsim.cli.main import run; print('ready', flush=True); run()"


def start(*arguments, folder, code=TAKES_INTERRUPTS + RUN):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "KCSIM_CACHE_DIR": ""}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def check_interrupted(process, seconds):
    """Interrupt it some seconds from now; returns whether it had not ended by itself."""
    with process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    # Once all is printed, Python may be taking itself down, which a signal ends at once.
    if process.returncode == 0 or (out and process.returncode == -signal.SIGINT):
        return False
    assert time.monotonic() - sent < 2 + SLACK
    assert process.returncode == 130, err
    # Tables may be on their way when it comes.
    assert out == "" or seconds > 0.3
    # What else is there was said before.
    assert err.splitlines()[-1] == "kcsim: interrupted"
    assert err.count("interrupt") == 1
    assert "Traceback" not in err
    return True


HARD = ("--hw", DATA / "every_bypass.yaml")
COMMANDS = {
    "map": ("map", *HARD, "--layer", "layer.yaml", "--time-limit", "inf"),
    "front": ("front", *HARD, "--layer", "layer.yaml"),
    "estimate": ("estimate", *HARD, "-n", "net.yaml"),
    "compare": ("compare", "--hw", "eyeriss_codebook", "-n", "vgg16", "--cluster", "kernel:k=64"),
    "check": ("check", "--hw", "eyeriss", "--layer", "alexnet/conv3", "--limit", "1000"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_ends_a_command(files, name):
    delays = [0.05, random.Random(name).uniform(0.3, 6.0)]
    ended = [check_interrupted(start(*COMMANDS[name], folder=files), seconds) for seconds in delays]
    assert any(ended)


def test_an_interrupt_ends_a_clustering_and_leaves_no_file(files):
    weights = np.random.default_rng(0).standard_normal((64, 64, 3, 3)).astype(np.float32)
    np.savez(files / "weights.npz", **{"long.weight": weights})
    command = (
        "cluster", "--weights", "weights.npz", "-n", "net.yaml", "--cluster", "kernel:k=512",
        "--starts", 1000, "-o", "out.safetensors",
    )  # fmt: skip
    before = sorted(files.iterdir())
    assert check_interrupted(start(*command, folder=files), 4.0)
    assert sorted(files.iterdir()) == before


def test_a_command_that_ignores_interrupts_goes_on(files):
    """As one in the background of a shell script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = start("networks", folder=files, code=RUN)
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "alexnet" in out


def test_handlers_are_as_before_when_a_command_has_ended():
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler:
        pytest.skip("someone else handles interrupts here")
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with interrupt.interruptible():
        assert signal.getsignal(signal.SIGINT) is interrupt._unwind
    assert signal.getsignal(signal.SIGINT) is handler
    assert signal.set_wakeup_fd(before) == before
