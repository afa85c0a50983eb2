"""Results of searches on disk, and the mapping of many layers with them."""

import concurrent.futures
import dataclasses
import json
import os
import stat

import pytest
from small_design import LAYER, design

from kcsim import InputError, load_hardware, load_layer
from kcsim.cost.prices import DENSE, WeightCosts
from kcsim.mapping import layers as mapping_layers
from kcsim.mapping.cache import (
    CACHE_VARIABLE,
    MappingCache,
    _digest,
    default_cache,
    why_nothing_is_kept,
)
from kcsim.mapping.layers import MappingTask, map_layers
from kcsim.mapping.search import search_mapping
from kcsim.private import why_not_private
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares

HARDWARE = design()
FORMS = (DENSE,)


@pytest.fixture
def cache(tmp_path):
    return MappingCache(tmp_path / "mappings")


@pytest.fixture
def result():
    return search_mapping(LAYER, HARDWARE)


def key_of(cache, layer=LAYER, hardware=HARDWARE, objective="edp", weights=FORMS):
    return cache.key(layer, hardware, objective, weights)


def stored_files(cache):
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def test_what_is_stored_is_loaded(cache, result):
    key = key_of(cache)
    assert cache.load(key, LAYER, HARDWARE) is None
    cache.store(key, result)
    assert cache.load(key, LAYER, HARDWARE) == result
    assert len(stored_files(cache)) == 1


def test_bypasses_survive(cache):
    hardware = design(pe={"may_bypass": ("weights", "inputs"), "read_pj": 50.0, "write_pj": 50.0})
    result = search_mapping(LAYER, hardware)
    assert any(level.bypass for level in result.mapping.levels)
    key = key_of(cache, hardware=hardware)
    cache.store(key, result)
    assert cache.load(key, LAYER, hardware) == result


def test_names_and_descriptions_share_a_key(cache):
    other = dataclasses.replace(HARDWARE, name="another", description="as the first")
    assert key_of(cache, hardware=other) == key_of(cache)
    assert key_of(cache, layer=dataclasses.replace(LAYER, name="another")) == key_of(cache)
    assert key_of(MappingCache(cache.folder / "else")) == key_of(cache)


@pytest.mark.parametrize(
    "change",
    [
        {"layer": ConvLayer("conv", 2, 4, 4, 4, 3, 2)},
        {"layer": dataclasses.replace(LAYER, stride=(2, 1))},
        {"layer": dataclasses.replace(LAYER, dilation=(1, 2), in_width=6)},
        {"layer": dataclasses.replace(LAYER, batch=2)},
        {"layer": dataclasses.replace(LAYER, zeros=ZeroShares(inputs=0.5))},
        {"hardware": design(dram={"read_pj": 201})},
        {"hardware": design(pe={"update_pj": 3})},
        {"hardware": design(buffer={"leakage_pj_per_cycle": 1e-9})},
        {"hardware": design(buffer={"capacity_words": 101})},
        {"hardware": design(pe={"may_bypass": ("weights",)})},
        {"hardware": design(compute={"mac_pj": 0.6})},
        {"hardware": design(static_pj_per_cycle=1.0)},
        {"hardware": design(skipped_pixels="left_out")},
        {"objective": "energy"},
        {"objective": "cycles"},
        {"weights": (dataclasses.replace(DENSE, lookup_pj=1e-9),)},
        {"weights": (WeightCosts((1, 3, 3), 2.0, 0), DENSE)},
    ],
    ids=str,
)
def test_what_changes_the_best_mapping_changes_the_key(cache, change):
    assert key_of(cache, **change) != key_of(cache)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text[:-1],
        lambda text: "null",
        lambda text: "[]",
        lambda text: "{}",
        lambda text: "3",
        lambda text: "\x00" + text,
        lambda text: text.replace("DRAM", "drum"),
        lambda text: text.replace('"levels"', '"nests"'),
        lambda text: text.replace('"cycles"', '"circles"'),
        lambda text: text.replace('[["', '[[["'),
        lambda text: text.replace(", 2]", ", 3]"),
        lambda text: text.replace(", 2]", ", null]"),
        lambda text: text.replace(", 2]", ', "two"]'),
    ],
)
def test_damaged_files_are_misses(cache, result, damage):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    text = path.read_text(encoding="utf-8")
    path.write_text(damage(text), encoding="utf-8")
    assert damage(text) != text
    assert cache.load(key, LAYER, HARDWARE) is None
    path.write_bytes(b"\xff\xfe\x00" + text.encode())
    assert cache.load(key, LAYER, HARDWARE) is None
    cache.store(key, result)
    assert cache.load(key, LAYER, HARDWARE) == result


def change(path, key, edit, sign=True):
    """Edit what a file says; with a digest that fits, as who means harm would."""
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["digest"]
    edit(document)
    digest = _digest(key, document) if sign else "0" * 64
    path.write_text(json.dumps({**document, "digest": digest}), encoding="utf-8")


def swap_loops(document):
    """The outermost level iterates over what the innermost did, and the other way round."""
    first, *_, last = document["levels"]
    first[1], last[1] = last[1], first[1]


def drop_a_loop(document):
    document["levels"][-1][1].pop()


@pytest.mark.parametrize(
    "edit",
    [
        swap_loops,
        drop_a_loop,
        lambda d: d.update(energy=d["energy"] * (1 - 1e-6)),
        lambda d: d.update(cycles=d["cycles"] + 1),
        lambda d: d.update(cycles=int(d["cycles"])),
        lambda d: d.update(energy=str(d["energy"])),
        lambda d: d.update(energy=float("inf")),
        lambda d: d.update(energy=float("nan")),
        lambda d: d.update(mappings=True),
        lambda d: d.update(levels="DRAM"),
        lambda d: d.update(levels=d["levels"][::-1]),
        lambda d: d["levels"][0].append([]),
        lambda d: d["levels"][0][1].append(["M", float("inf")]),
        lambda d: d["levels"][0][1].append(["M", 1]),
        lambda d: d["levels"][0][1].append([7, 2]),
        lambda d: d["levels"][1].__setitem__(4, ["weights"]),
        lambda d: d.pop("nodes"),
    ],
)
def test_what_does_not_come_to_what_it_says_is_a_miss(cache, result, edit):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    change(path, key, lambda document: None)
    assert cache.load(key, LAYER, HARDWARE) == result, "nothing has been changed"
    change(path, key, edit)
    assert cache.load(key, LAYER, HARDWARE) is None


def test_reversed_loops_are_a_miss(cache):
    layer, hardware = load_layer("lenet5/conv2"), load_hardware("eyeriss")
    result = search_mapping(layer, hardware)
    key = key_of(cache, layer, hardware)
    cache.store(key, result)
    (path,) = stored_files(cache)

    def reverse(document):
        for level in document["levels"][:2]:
            level[1].reverse()

    assert cache.load(key, layer, hardware) == result
    change(path, key, reverse)
    assert cache.load(key, layer, hardware) is None


def test_any_change_is_noticed(cache, result):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    change(path, key, lambda document: document.update(evaluated=1), sign=False)
    assert cache.load(key, LAYER, HARDWARE) is None
    cache.store(key, result)
    text = path.read_text(encoding="utf-8")
    for i in range(len(text)):
        changed = text[:i] + ("0" if text[i] != "0" else "1") + text[i + 1 :]
        path.write_text(changed, encoding="utf-8")
        assert cache.load(key, LAYER, HARDWARE) is None, changed


def test_a_result_under_another_name_is_a_miss(cache, result):
    key, other = key_of(cache), key_of(cache, objective="energy")
    cache.store(key, result)
    cache.store(other, result)
    stored = {path.stem: path for path in stored_files(cache)}
    stored[other].write_bytes(stored[key].read_bytes())
    assert cache.load(other, LAYER, HARDWARE) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"levels": 1e999}',
        "9" * 5000,
        '{"digest": [[[]]]}',
        "NaN",
    ],
    ids=["lists", "objects", "infinity", "digits", "digest", "nan"],
)
def test_texts_that_break_readers_are_misses(cache, result, text):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    path.write_text(text, encoding="utf-8")
    assert cache.load(key, LAYER, HARDWARE) is None


def test_a_very_large_file_is_not_read(cache, result):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    path.write_text(" " * 2**21 + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert cache.load(key, LAYER, HARDWARE) is None


posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners of files")


@posix
def test_what_is_kept_is_for_the_user_alone(cache, result):
    before = os.umask(0)
    try:
        cache.store(key_of(cache), result)
    finally:
        os.umask(before)
    (path,) = stored_files(cache)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


@posix
def test_a_link_in_place_of_a_file_is_neither_read_nor_written_through(cache, result, tmp_path):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    target = tmp_path / "target"
    path.rename(target)
    path.symlink_to(target)
    assert cache.load(key, LAYER, HARDWARE) is None
    target.write_text("the user's own", encoding="utf-8")
    cache.store(key, result)
    assert target.read_text(encoding="utf-8") == "the user's own"
    assert not path.is_symlink()
    assert cache.load(key, LAYER, HARDWARE) == result


@posix
def test_a_link_in_place_of_a_folder_of_files_is_left_alone(cache, result, tmp_path):
    key = key_of(cache)
    cache.folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (cache.folder / key[:2]).symlink_to(tmp_path / "elsewhere")
    cache.store(key, result)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@posix
def test_a_folder_behind_a_link_of_the_user_is_used(result, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    cache = MappingCache(tmp_path / "link")
    cache.store(key_of(cache), result)
    assert cache.load(key_of(cache), LAYER, HARDWARE) == result


@posix
def test_a_folder_that_others_may_write_to_is_not_used(cache, result):
    cache.store(key_of(cache), result)
    cache.folder.chmod(0o777)
    assert cache.load(key_of(cache), LAYER, HARDWARE) is None
    before = stored_files(cache)
    cache.store(key_of(cache, objective="energy"), result)
    assert stored_files(cache) == before
    assert "other users may write to" in why_not_private(cache.folder)
    cache.folder.chmod(0o700)
    (path,) = before
    path.chmod(0o666)
    assert cache.load(key_of(cache), LAYER, HARDWARE) is None


@posix
def test_a_folder_of_another_user_is_not_used(cache, result, monkeypatch):
    cache.store(key_of(cache), result)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert cache.load(key_of(cache), LAYER, HARDWARE) is None
    assert "belongs to another user" in why_not_private(cache.folder)


@posix
def test_a_pipe_in_place_of_a_file_does_not_block(cache, result):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    path.unlink()
    os.mkfifo(path)
    assert cache.load(key, LAYER, HARDWARE) is None


def test_without_a_home_nothing_is_kept(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    for name in (CACHE_VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", no_home)
    assert default_cache() is None
    assert why_nothing_is_kept() == "there is no home folder"
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert why_nothing_is_kept() == "", "the user has turned it off"


def test_why_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "new" / "folder"))
    assert why_nothing_is_kept() == ""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file" / "folder"))
    assert why_nothing_is_kept().endswith("file' is no folder")
    monkeypatch.setattr(os, "access", lambda *args: False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "new"))
    assert why_nothing_is_kept().startswith("no permission to write to")


def test_a_mapping_of_another_layer_is_a_miss(cache, result):
    key = key_of(cache)
    cache.store(key, result)
    assert cache.load(key, dataclasses.replace(LAYER, batch=3), HARDWARE) is None


def test_a_folder_in_place_of_a_file_is_a_miss(cache, result):
    key = key_of(cache)
    cache.store(key, result)
    (path,) = stored_files(cache)
    path.unlink()
    path.mkdir()
    assert cache.load(key, LAYER, HARDWARE) is None
    cache.store(key, result)


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path, result):
    file = tmp_path / "file"
    file.write_text("in the way")
    cache = MappingCache(file / "mappings")
    cache.store(key_of(cache), result)
    assert cache.load(key_of(cache), LAYER, HARDWARE) is None
    task = MappingTask(LAYER)
    (found,) = map_layers([task], HARDWARE, cache=cache)
    assert found.mapping == result.mapping


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_done_without(cache, result):
    cache.folder.mkdir()
    cache.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        cache.store(key_of(cache), result)
        assert cache.load(key_of(cache), LAYER, HARDWARE) is None
    finally:
        cache.folder.chmod(stat.S_IRWXU)


def test_only_proved_results_are_stored(cache, result):
    unproved = dataclasses.replace(result, proved=False, gap=0.1, note="the time limit")
    cache.store(key_of(cache), unproved)
    assert stored_files(cache) == []


def test_many_store_at_once(cache, result):
    key = key_of(cache)

    def work(_):
        cache.store(key, result)
        return cache.load(key, LAYER, HARDWARE)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(200))) == {result}
    assert len(stored_files(cache)) == 1, "nothing half written is left"


def test_the_variable_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert default_cache().folder == tmp_path
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert default_cache() is None
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "xdg"))
    assert default_cache().folder == tmp_path / "xdg" / "kcsim" / "mappings"


@pytest.fixture
def searched(monkeypatch):
    """Names of the layers that were searched for."""
    names = []

    def search(layer, *args, **kwargs):
        names.append(layer.name)
        return search_mapping(layer, *args, **kwargs)

    monkeypatch.setattr(mapping_layers, "search_mapping", search)
    return names


TASKS = [
    MappingTask(LAYER),
    MappingTask(ConvLayer("wide", 2, 8, 4, 4, 3, 3)),
    MappingTask(dataclasses.replace(LAYER, name="again")),
    MappingTask(LAYER, (dataclasses.replace(DENSE, lookup_pj=2.0),)),
    MappingTask(ConvLayer.linear("linear", 6, 4)),
]


def test_each_shape_is_mapped_once_and_results_keep_their_order(cache, searched):
    progress = []
    results = map_layers(
        TASKS, HARDWARE, cache=cache, progress=lambda done, all_: progress.append((done, all_))
    )
    # Of two tasks of one shape, either may be searched for.
    assert sorted(name.replace("again", "conv") for name in searched) == [
        "conv", "conv", "linear", "wide",
    ]  # fmt: skip
    assert progress == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for task, result in zip(TASKS, results, strict=True):
        assert result.mapping.problems(task.layer, HARDWARE) == ()
        alone = search_mapping(task.layer, HARDWARE, weights=task.weights)
        assert (result.mapping, result.energy) == (alone.mapping, alone.energy)
    assert results[0] == results[2]
    searched.clear()
    assert map_layers(TASKS, HARDWARE, cache=cache) == results
    assert searched == []
    map_layers(TASKS, HARDWARE, cache=cache, objective="cycles")
    assert len(searched) == 4


def test_the_folder_of_the_session_is_used(searched, monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    first = map_layers(TASKS, HARDWARE)
    assert len(stored_files(MappingCache(tmp_path))) == 4
    searched.clear()
    assert map_layers(TASKS, HARDWARE) == first
    assert searched == []
    monkeypatch.setenv(CACHE_VARIABLE, "")
    map_layers(TASKS[:1], HARDWARE)
    assert len(searched) == 1


def test_no_layers():
    with pytest.raises(InputError, match="no layers"):
        map_layers([], HARDWARE)
