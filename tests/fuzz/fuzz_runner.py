"""Runs the cases of many seeds in processes of their own, with a limit of time and of memory."""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 20.0
BYTES = 2 * 2**30
HANGING_SECONDS = 600.0
"""After which a process is stopped that does not even watch its own time."""
MARK = "case: "


def failures_of(seeds: Iterable[int], folder: Path) -> list[str]:
    """What went wrong, one text for each seed: an escaped error, a crash, too long, too much."""
    remaining, failures = list(seeds), []
    while remaining:
        done, failure = _run_process(remaining, folder)
        if failure:
            failures.append(failure)
        failures += [text for text in done.values() if text]
        # Of seeds that failed so hard that the process ended, the next one is the first again.
        remaining = remaining[len(done) + bool(failure) :]
        assert done or failure
    return failures


def _run_process(seeds: list[int], folder: Path) -> tuple[dict[int, str], str]:
    """Failures by seed, as far as a process came, and why it did not come further."""
    command = [sys.executable, __file__, str(folder), *map(str, seeds)]
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}
    done: dict[int, str] = {}
    with (folder / "stderr").open("w+") as errors, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
    ) as process:  # fmt: skip
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        reader.start()
        while len(done) < len(seeds):
            seed = seeds[len(done)]
            try:
                line = lines.get(timeout=HANGING_SECONDS)
            except queue.Empty:
                process.kill()
                return done, f"seed {seed}: no end after {HANGING_SECONDS:.0f} s"
            if line is None:
                process.wait()
                errors.seek(0)
                said = errors.read()[-3000:]
                return done, f"seed {seed}: the process ended with {process.returncode}\n{said}"
            message: dict[str, Any] = json.loads(line)
            if message["seed"] is not None:
                done[message["seed"]] = message["failure"]
        process.wait()
    return done, ""


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(MARK):
            lines.put(line.removeprefix(MARK))
    lines.put(None)


# --- the process


def main() -> None:
    faulthandler.enable()
    # Nothing but messages to the parent may come out of this process.
    messages = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    folder, seeds = Path(sys.argv[1]), list(map(int, sys.argv[2:]))
    for message in _messages(folder, seeds):
        print(f"{MARK}{json.dumps(message)}", file=messages, flush=True)
    # Threads that still compute are not waited for.
    messages.flush()
    os._exit(0)


def _messages(folder: Path, seeds: list[int]) -> Iterator[dict[str, Any]]:
    import fuzz_cases

    base = folder / f"base{os.getpid()}"
    fuzz_cases.prepare(base)
    warm_up(base, folder / "warm")
    limit_memory()
    yield {"seed": None}
    for seed in seeds:
        failure = ""
        with _watched() as clock:
            try:
                fuzz_cases.run_case(seed, base, folder / f"case{os.getpid()}")
            except BaseException:
                failure = f"seed {seed}\n{traceback.format_exc()}"
        yield {"seed": seed, "failure": failure, "seconds": clock.seconds}


class _Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._started, self._computed = time.monotonic(), time.process_time()

    @property
    def seconds(self) -> float:
        # Other processes make it longer by the clock, threads of its own by the processor.
        return min(time.monotonic() - self._started, time.process_time() - self._computed)


@contextmanager
def _watched() -> Iterator[_Clock]:
    """End this process, showing where it is, once the time of a case is over."""
    clock, over = _Clock(), threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            if clock.seconds > SECONDS:
                # Cases have streams of their own.
                print(f"more than {SECONDS:.0f} s", file=sys.__stderr__, flush=True)
                faulthandler.dump_traceback(sys.__stderr__, all_threads=True)
                os._exit(3)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield clock
    finally:
        over.set()


def warm_up(base: Path, folder: Path) -> None:
    """Compile what cases run, which takes longer than they may."""
    import fuzz_cases

    import kcsim

    case = fuzz_cases.Case(0, base, folder)
    folder.mkdir(parents=True, exist_ok=True)
    network, layer, hw = base / "net.yaml", base / "layer.yaml", base / "eyeriss.yaml"
    case.command("estimate", "--hw", hw, "-n", network, "--zeros", base / "zeros.yaml")
    case.command("evaluate", "--hw", hw, "--layer", layer, "--mapping", base / "mapping.yaml")
    case.command("map", "--hw", hw, "--layer", layer, "--imperfect")
    case.command("front", "--hw", "simple", "--layer", layer)
    case.command("check", "--hw", "simple", "--layer", layer)
    case.command("check-sharing", "--hw", "simple", "--layer", layer, "--cluster", "kernel:k=2")
    case.command("compare", "--hw", "simple", "-n", network, "--cluster", "kernel:k=2")
    for number, spec in enumerate(fuzz_cases.SPECS):
        case.command("cluster", "--weights", base / "few.npz", "-n", network, "--cluster", spec)
        clustered = base / f"clustered{number}.safetensors"
        if clustered.exists():
            case.command("check-weights", "--weights", clustered)
    sizes = {"M": 4, "C": 3, "Q": 6, "R": 3, "S": 3}
    loops = tuple(kcsim.Loop(name, size) for name, size in sizes.items())
    conv, simple = kcsim.load_layer(layer), kcsim.load_hardware("simple")
    for outer, inner in ((3, 2), (2, 4)):
        mapping = kcsim.Mapping(
            (
                kcsim.LevelLoops("DRAM", (*loops, kcsim.Loop("P", outer))),
                kcsim.LevelLoops("buffer", (kcsim.Loop("P", inner),)),
            )
        )
        kcsim.count_layer(conv, simple, mapping)
        if mapping.is_perfect(conv):
            kcsim.count_mappings(conv, simple, kcsim.stack_mappings([mapping], simple))


def limit_memory() -> None:
    """Let this process have no more than it has now, and `BYTES`."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    # The stacks of threads are set aside, not used.
    stacks = 3 * (os.cpu_count() or 1) * 2**24
    most = pages * resource.getpagesize() + BYTES + stacks
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
