"""The decoder at any level: lookups against a walk, scales and offsets."""

import dataclasses
from fractions import Fraction

import pytest
from decoded_layers import crossing, decoded, format_of, items, units_of, with_store
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mapped_layers import mapped_layers
from oracle import Nest
from small_design import LAYER, MAPPING, design
from small_problems import small_problems

import kcsim
from kcsim import InputError, evaluate, parse_clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.weight_format import WeightFormat, decode_at
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.reader import load_hardware
from kcsim.hardware.schema import Compute, Hardware, Precision
from kcsim.mapping.search import search_mapping
from kcsim.report.beside import Beside
from kcsim.report.network_data import layers_table
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

SHIPPED = ("eyeriss_codebook", "eyeriss", "simple", "ucnn_like")


def check_decoder(estimate, level):
    """Lookups, scales, offsets and copies of the codebook at a level, against the walk."""
    counts, form, account = estimate.counts, estimate.weight_format, items(estimate)
    hardware, store = counts.hardware, counts.hardware.codebook
    weights, units, words = crossing(
        counts.layer, hardware, counts.mapping, level, form.extents, form.entry_bits,
        store.word_bits,
    )  # fmt: skip
    lookup = account["codebook", "weights", "lookup"]
    value_bits = Fraction(form.codebook_bits, form.codebook_words)
    assert (lookup.count, lookup.bits) == (units, float(weights * value_bits))
    assert lookup.accesses == -(-weights * value_bits // store.word_bits)
    assert lookup.energy == lookup.accesses * store.read_pj
    for action in ("multiply", "add"):
        assert account["codebook", "weights", action].count == weights
    # The codebook is read once, and written into the store of every instance.
    outer, stores = hardware.levels[0], len(instances_of(counts, level))
    reads = -(-form.codebook_bits // (outer.word_bits * outer.block_words))
    writes = -(-form.codebook_bits // store.word_bits) * stores
    paid = reads * outer.price("weights", "read") + writes * store.write_pj
    assert account["codebook", "weights", "load"].energy == pytest.approx(paid)
    assert estimate.cycles.lookup == cycles_at(store.read_words_per_cycle, Fraction(words, stores))


def instances_of(counts, level):
    return Nest(counts.layer, counts.hardware, counts.mapping).instances(level)


def cycles_at(words_per_cycle, words):
    return -(-words // Fraction(str(words_per_cycle))) if words_per_cycle else 0


# --- energies of additions and multiplications


@pytest.mark.parametrize(("weights", "inputs"), [(16, 16), (8, 8), (4, 12), (1, 1)])
def test_a_mac_is_a_multiplication_and_an_addition(weights, inputs):
    bits = Precision(weights=weights, inputs=inputs)
    hardware = design(compute={"mac_pj": 5}, precision_bits=bits)
    # Full adders of two products and their sum, less the two products (Sakr et al.).
    adders = {"multiply": weights * inputs}
    whole = kcsim.estimation.deep_kmeans.dot_product_full_adders(2, weights, inputs)
    adders["add"] = whole - 2 * adders["multiply"]
    assert hardware.multiply_pj + hardware.add_pj == pytest.approx(5)
    ratio = adders["multiply"] / adders["add"]
    assert hardware.multiply_pj == pytest.approx(ratio * hardware.add_pj)


def test_energies_that_are_given():
    bits = Precision(weights=8, inputs=8)
    one = design(compute={"mac_pj": 5, "add_pj": 0.125}, precision_bits=bits)
    assert (one.add_pj, one.multiply_pj) == (0.125, 4)
    both = design(compute={"mac_pj": 5, "add_pj": 0, "multiply_pj": 7})
    assert (both.add_pj, both.multiply_pj) == (0, 7)
    with pytest.raises(InputError, match="'multiply_pj' is -1"):
        Compute(mac_pj=1, multiply_pj=-1)
    assert load_hardware("simple", ["compute.add_pj=0.25"]).add_pj == 0.25


# --- scales and offsets


@pytest.mark.parametrize(
    ("spec", "operations"),
    [
        ("kernel:k=4,transforms=4", {}),
        ("scaled_kernel:k=4,transforms=4", {"multiply": 72 * 6}),
        ("linear_kernel:k=4", {"multiply": 72 * 6, "add": 72 * 0.5}),
    ],
)
def test_every_decoded_weight_is_scaled_and_offset(spec, operations):
    hardware = with_store(design(compute={"multiply_pj": 6}))
    hardware = dataclasses.replace(
        hardware, compute=dataclasses.replace(hardware.compute, add_pj=0.5)
    )
    form = format_of(LAYER, hardware, spec)
    account = items(evaluate(LAYER, hardware, MAPPING, form))
    found = {a: account["codebook", "weights", a] for a in ("multiply", "add")
             if ("codebook", "weights", a) in account}  # fmt: skip
    assert {action: item.energy for action, item in found.items()} == operations
    for item in found.values():
        assert (item.count, item.bits, item.accesses) == (72, 0, 72)
    # The search pays for them with each lookup.
    plain = dataclasses.replace(form, multiplies_per_weight=0, adds_per_weight=0)
    (one,), (other,) = form.costs(hardware), plain.costs(hardware)
    assert 72 * (one.lookup_pj - other.lookup_pj) == pytest.approx(sum(operations.values()))


def test_the_decoder_scales_where_the_codebook_does_not_fit():
    hardware = with_store(design(), capacity_kib=0.01)
    account = items(evaluate(LAYER, hardware, MAPPING, format_of(LAYER, hardware, "son:k=4")))
    assert account["codebook (DRAM)", "weights", "lookup"].accesses == 72
    assert account["codebook", "weights", "multiply"].accesses == 72


def test_dense_layers_are_not_scaled():
    layers = [LAYER, ConvLayer.linear("fc", 16, 4)]
    forms = weight_formats(layers, with_store(design()), parse_clustering("linear_kernel:k=4"))
    assert [(f.multiplies_per_weight, f.adds_per_weight) for f in forms] == [(1, 1), (0, 0)]
    assert (
        items(evaluate(LAYER, with_store(design()), MAPPING))
        .keys()
        .isdisjoint({("codebook", "weights", "multiply"), ("codebook", "weights", "add")})
    )


# --- where the decoder sits


def test_decode_at():
    hardware = load_hardware("simple")
    moved = decode_at(hardware, "register file")
    assert moved.codebook == dataclasses.replace(hardware.codebook, level="register file")
    assert dataclasses.replace(moved, codebook=hardware.codebook) == hardware
    assert decode_at(hardware, "DRAM") == hardware
    assert format_of(LAYER, moved).decode_level == 2


def test_levels_and_stores_that_there_are_not():
    with pytest.raises(InputError, match=r"no level 'bufer'; expected .*mean 'buffer'\?$"):
        decode_at(load_hardware("simple"), "bufer")
    with pytest.raises(InputError, match="small has no codebook store: add a 'codebook' section"):
        decode_at(design(), "DRAM")


@pytest.mark.parametrize("name", [*SHIPPED, "tpu_like", "nvdla_like"])
def test_every_level_of_shipped_designs(name):
    layer = ConvLayer("conv", 2, 6, 6, 6, 3, 3)
    hardware = load_hardware(name)
    # A register of one weight has no room for an index with scale and offset.
    for place in hardware.level_names if name in SHIPPED else hardware.level_names[:-1]:
        moved = decode_at(hardware, place)
        form = format_of(layer, moved, "linear_kernel:k=2")
        weights = form.costs(moved)
        mapping = search_mapping(layer, moved, objective="energy", weights=weights).mapping
        estimate = evaluate(layer, moved, mapping, form)
        index = moved.level_index(place)
        check_decoder(estimate, index)
        keeps, account = mapping.keeps_array(moved)[:, 0], items(estimate)
        for i, level in enumerate(moved.level_names):
            assert form.is_indexed(i) == (i <= index)
            if keeps[i] and i > index:
                read = account[level, "weights", "read"]
                assert read.bits == read.count * form.value_bits


@pytest.mark.parametrize("name", SHIPPED)
def test_codebooks_that_fit_no_store_of_a_level(name):
    # 2^17 values: 256 KiB or 128 KiB, more than any store or level but DRAM has room for.
    layer = ConvLayer.linear("fc", 2**12, 2**7)
    hardware = load_hardware(name)
    for place in hardware.level_names:
        moved = decode_at(hardware, place)
        form = format_of(layer, moved, f"scalar:k={2**18}")
        mapping = search_mapping(
            layer, moved, objective="energy", weights=form.costs(moved)
        ).mapping
        account = items(evaluate(layer, moved, mapping, form))
        lookup = account["codebook (DRAM)", "weights", "lookup"]
        outer = moved.levels[0]
        width = outer.word_bits * outer.block_words
        assert lookup.accesses == -(-lookup.bits // width)
        assert lookup.energy == lookup.accesses * outer.price("weights", "read")
        assert ("codebook", "weights", "lookup") not in account
        assert not any(action == "load" for _, _, action in account)


@settings(max_examples=100, deadline=None)
@given(decoded())
def test_what_crosses_the_output_of_the_decoder_is_looked_up(problem):
    layer, hardware, mapping, form = problem
    check_decoder(evaluate(layer, hardware, mapping, form), form.decode_level)


@settings(max_examples=200, deadline=None)
@given(decoded(uneven=True))
def test_what_crosses_the_decoder_of_an_uneven_mapping_is_looked_up(problem):
    layer, hardware, mapping, form = problem
    check_decoder(evaluate(layer, hardware, mapping, form), form.decode_level)


@settings(max_examples=150, deadline=None)
@given(decoded(), st.data())
def test_lookups_share_the_port_of_the_level_that_holds_the_codebook(problem, data):
    layer, hardware, mapping, form = problem
    rate = st.sampled_from((None, 0.3, 1, 2.5))
    hardware = dataclasses.replace(
        hardware,
        codebook=dataclasses.replace(hardware.codebook, capacity_kib=1e-6),
        levels=tuple(
            dataclasses.replace(
                level,
                read_words_per_cycle=data.draw(rate),
                write_words_per_cycle=data.draw(rate),
                word_bits=data.draw(st.sampled_from((8, 16, 24))),
            )
            for level in hardware.levels
        ),
    )
    estimate = evaluate(layer, hardware, mapping, form)
    (name,) = {i.component for i in estimate.items if i.action == "lookup"}
    place = hardware.level_index(name.removeprefix("codebook (").removesuffix(")"))
    width = hardware.levels[place].word_bits
    decoder = form.decode_level
    *_, looked_up = crossing(
        layer, hardware, mapping, decoder, form.extents, form.entry_bits, width
    )
    for i, level in enumerate(hardware.levels):
        moved = {
            action: sum(Fraction(item.bits) for item in estimate.items
                        if (item.component, item.action) == (level.name, action))
            for action in ("read", "fill", "update")
        }  # fmt: skip
        reads, writes = moved["read"], moved["fill"] + moved["update"]
        instances = len(instances_of(estimate.counts, i))
        reads += looked_up * width * (i == place)
        if place:
            reads += form.codebook_bits * (i == 0)
            writes += form.codebook_bits * instances * (i == place)
        words = Fraction(1, level.word_bits * instances)
        expected = max(
            cycles_at(level.read_words_per_cycle, reads * words),
            cycles_at(level.write_words_per_cycle, writes * words),
        )
        assert estimate.cycles.transfer[level.name] == expected
    assert estimate.cycles.lookup == 0


@pytest.mark.parametrize("unit", ["scalar", "kernel"])
def test_the_search_pays_where_weights_pass_through_the_decoder(unit):
    # Nothing else costs anything: each PE looks up what it hands to its MACs.
    free = {"read_pj": 0, "write_pj": 0}
    buffer = free | {"fanout": Fanout(x=2)}
    pe = free | {"keeps": ("inputs", "outputs")}
    hardware = with_store(design(free, buffer, pe, {"mac_pj": 0}), level="PE")
    form = format_of(LAYER, hardware, f"{unit}:k=4")
    found = search_mapping(LAYER, hardware, objective="energy", weights=form.costs(hardware))
    copy_pj = 4 * form.codebook_words
    assert found.energy == pytest.approx(288 * 3 + copy_pj)
    assert evaluate(LAYER, hardware, found.mapping, form).energy == 288 * 3 + copy_pj
    spread = evaluate(LAYER, hardware, MAPPING, form)
    assert spread.energy == 288 * 3 + 2 * copy_pj


@settings(max_examples=100, deadline=None)
@given(mapped_layers(), st.data())
def test_decoding_at_dram_changes_nothing_on_chip(mapped, data):
    layer, hardware, mapping = mapped
    hardware = with_store(hardware)
    filters, *unit = data.draw(units_of(layer))
    form = WeightFormat(
        16, tuple(unit), Fraction(5), 0, 72, 16 * 72, True, 1, 1, unit_filters=filters
    )
    dense, clustered = (evaluate(layer, hardware, mapping, each) for each in (None, form))
    assert (dense.counts.accesses == clustered.counts.accesses).all()
    assert (dense.counts.transfers == clustered.counts.transfers).all()
    assert (dense.counts.tile_words == clustered.counts.tile_words).all()
    changed = {
        key
        for key in items(dense).keys() | items(clustered).keys()
        if items(dense).get(key) != items(clustered).get(key)
    }
    assert {key for key in changed if key[0] != "codebook"} <= {("DRAM", "weights", "read")}


@settings(max_examples=50, deadline=None)
@given(small_problems(most=200), st.data())
def test_fewer_entries_never_cost_more_lookups(problem, data):
    layer, hardware, _ = problem
    level = data.draw(st.sampled_from(hardware.level_names))
    small = data.draw(st.sampled_from((0.002, 0.01, 8.0)))
    hardware = with_store(hardware, level=level, capacity_kib=small)
    few, many = sorted(data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20))))
    spec = data.draw(st.sampled_from(("scalar:k={}", "row:dense=none,k={}")))
    one, other = (format_of(layer, hardware, spec.format(k)) for k in (few, many))
    try:
        mapping = search_mapping(layer, hardware, weights=other.costs(hardware)).mapping
    except kcsim.MappingError:
        assume(False)
    # Indexes of fewer entries take no more room.
    fewer, more = (evaluate(layer, hardware, mapping, form) for form in (one, other))
    assert fewer.lookups == more.lookups
    one, other = (
        {key: item for key, item in items(each).items() if key[0].startswith("codebook")}
        for each in (fewer, more)
    )
    for key in one.keys() & other.keys():
        assert one[key].energy <= other[key].energy
    if one.keys() == other.keys():
        assert fewer.energy <= more.energy * (1 + 1e-12)


# --- lookups take time


def lookup_design(**store):
    """A buffer of 4 words a cycle, with the decoder at its output, and 16 MAC units."""
    hardware = Hardware(
        name="fc",
        levels=(
            Level(name="DRAM", read_pj=100, write_pj=100),
            Level(name="buffer", read_pj=1, write_pj=1, capacity_kib=1024,
                  read_words_per_cycle=4, fanout=Fanout(x=16)),
        ),
        compute=Compute(mac_pj=1),
    )  # fmt: skip
    return with_store(hardware, level="buffer", **store)


@pytest.mark.parametrize(
    ("rate", "bound"), [(None, "buffer"), (1, "codebook"), (2, "codebook"), (64, "buffer")]
)
def test_a_store_serves_no_more_lookups_than_its_rate(rate, bound):
    hardware = lookup_design(read_words_per_cycle=rate)
    result = kcsim.estimate(hardware, one_layer(), "scalar:k=2,dense=none", objective="cycles")
    (layer,) = result["decode"].layers
    lookups = 256 * 256
    assert layer.lookups == lookups
    assert layer.cycles.lookup == (lookups / rate if rate else 0)
    assert layer.cycles.total >= layer.cycles.lookup
    assert layer.cycles.bound_by == bound
    assert layer.assumes_lookup_rate == (rate is None)
    table = layers_table(Beside.last(result))
    assert any("Assumed: the codebook store" in note for note in table.notes) == (rate is None)


def one_layer():
    return Network("one", (ConvLayer.linear("fc", 256, 256),))


def test_a_codebook_in_dram_bounds_cycles_by_the_bandwidth_of_dram():
    # One entry more than the store of 256 values has room for.
    network = Network("one", (kcsim.load_layer("alexnet/conv3"),))
    (layer,) = kcsim.estimate("eyeriss_codebook", network, "kernel:k=29,scope=layer")[
        "decode"
    ].layers
    assert layer.cycles.bound_by == "DRAM"
    # Each MAC looks its weight up, a word each, at 1.2 words a cycle.
    assert layer.cycles.total >= layer.layer.macs / 1.2


def test_lookups_spend_time_in_shared_executions_too():
    layer = kcsim.load_layer("alexnet/conv1")
    runs = kcsim.compare_executions(
        "eyeriss_codebook", Network("one", (layer,)), "kernel:k=16,scope=layer,dense=none"
    ).runs
    for name in ("share_products", "share_sums"):
        (shared,) = runs[name].layers
        assert shared.execution == name
        (lookup,) = (i for i in shared.items if i.action == "lookup")
        assert lookup.component == "codebook (DRAM)"
        # 1.2 words a cycle, of 16 bits.
        assert shared.cycles.total >= lookup.bits / 16 / 1.2
