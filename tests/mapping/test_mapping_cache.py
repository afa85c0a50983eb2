"""Results of searches on disk, and the mapping of many layers with them."""

import concurrent.futures
import dataclasses
import os
import stat

import pytest
from small_design import LAYER, design

from kcsim import InputError
from kcsim.mapping import layers as mapping_layers
from kcsim.mapping.cache import CACHE_VARIABLE, MappingCache, default_cache
from kcsim.mapping.costs import DENSE, WeightCosts
from kcsim.mapping.layers import MappingTask, map_layers
from kcsim.mapping.search import search_mapping
from kcsim.workload import ConvLayer, ZeroShares

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
    unproved = dataclasses.replace(result, is_optimal=False, gap=0.1, note="the time limit")
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
        assert (result.mapping, result.energy_pj) == (alone.mapping, alone.energy_pj)
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
