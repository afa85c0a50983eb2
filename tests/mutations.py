"""Break the code on purpose, and see that the tests find out.

Run ``python tests/mutations.py``; it takes some minutes, mostly to compile kernels. Each mutation
is one change of a copy of the sources, against which the tests are run that have to notice it.
Before, all these tests have to pass on the unchanged copy. Words of their names choose some:
``python tests/mutations.py sums words`` runs those with either in their name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
CASES = ("tests/test_reference_cases.py",)
WALK = ("tests/kernels/test_counting_properties.py::test_counts_equal_the_walk",)
IMPERFECT = ("tests/kernels/test_counting_properties.py::test_imperfect_factors_equal_the_walk",)
FORWARDING = ("tests/kernels/test_forwarding_past_levels.py",)
SLIDES = ("tests/kernels/test_slides.py",)
WORDS = ("tests/hardware/test_word_bits.py",)
UNEVEN = ("tests/model/test_uneven.py::test_counts_are_those_of_a_level_for_each_tensor",)
UNEVEN_WALK = (
    "tests/kernels/test_counting_properties.py::test_counts_of_uneven_mappings_equal_the_walk",
)
UNEVEN_REPLAY = (
    "tests/replay/test_replay.py::test_replays_of_uneven_mappings_equal_the_closed_forms",
)
INDEXES = (
    "tests/model/test_uneven.py::test_bits_of_indexes_are_those_of_a_level_for_each_tensor",
    "tests/model/test_uneven.py::test_indexes_of_a_tile_of_weights_are_those_at_its_place",
)
SUMS = ("tests/model/test_partial_sums.py",)
WIDE = ("tests/model/test_partial_sum_widths.py",)
PORTS = ("tests/model/test_ports_and_stalls.py",)
CHIPS = ("tests/mapping/test_real_chips.py",)
ENERGY = ("tests/model/test_energy_and_cycles.py",)
ZEROS = ("tests/model/test_zeros.py",)
HOPS = ("tests/model/test_hops.py",)
CLUSTERED = ("tests/model/test_clustered_weights.py",)
CLUSTERED_ZEROS = ("tests/model/test_clustered_zeros.py",)
STORAGE = ("tests/clustering/test_cluster_storage.py",)
LAYOUTS = ("tests/clustering/test_layouts.py",)
SHARING = ("tests/sharing/test_sharing_by_hand.py",)
DECODE = ("tests/model/test_decode.py",)
PADDED = ("tests/mapping/test_padded_optimum.py",)
SEARCH = (
    "tests/mapping/test_optimum.py::test_best_of_all_mappings_where_each_level_has_a_purpose",
)
SEARCH_CLUSTERED = (
    "tests/mapping/test_optimum.py::test_best_of_all_mappings_of_clustered_weights",
)
WINDOWS = (
    "tests/mapping/test_optimum.py::test_windows_that_slide_in_several_loops_keep_what_they_may",
)
PLACES = ("tests/mapping/test_places_of_children.py",)
SHORT = ("tests/model/test_imperfect.py::test_all_mappings_are_counted_where_there_are_few",)
FIXED = (
    "tests/mapping/test_fixed_optimum.py::test_best_of_all_mappings_that_have_what_is_fixed",
    "tests/mapping/test_fixed_optimum.py::test_a_mapping_that_is_fixed_as_a_whole_is_what_is_found",
    "tests/mapping/test_fixed_optimum.py::"
    "test_parts_of_mappings_that_may_go_on_in_other_ways_are_told_apart",
)
RANKING = ("tests/mapping/test_ranking.py::test_best_of_all_mappings_that_differ",)
LEFT = ("tests/mapping/test_time_limit.py::test_what_is_left_of_any_search_is_bounded_from_below",)
SIZES = ("tests/hardware/test_sizes.py", "tests/components")
TIES = ("tests/retrain/test_tied_weights.py", "tests/retrain/test_pruning.py")
PENALTY = ("tests/retrain/test_penalty.py",)
IMAGES = ("tests/retrain/test_image_files.py",)
LOOP = ("tests/retrain/test_fit.py",)
PROBLEMS = ("tests/exploration/test_problems.py",)
ANSWERS = ("tests/exploration/test_answers.py",)
INTERRUPTED = ("tests/exploration/test_interrupted.py",)
SHARING_REPLAY = ("tests/replay/test_sharing_replay.py",)


class Mutation(NamedTuple):
    """A change of one file of the package, and the tests that have to fail because of it."""

    tests: tuple[str, ...]
    file: str
    before: str
    after: str


MUTATIONS = {
    "finished: what children add up is finished": Mutation(
        WIDE,
        "cost/partial_sums.py",
        "alone = ~(adding & ~in_time & before).any(axis=1) & ~apart",
        "alone = ~apart",
    ),
    "finished: sums that come again are, too": Mutation(
        WIDE,
        "cost/partial_sums.py",
        "found.holds_finished[:, i] = once[:, i] & ~(adding & outside).any(axis=1)",
        "found.holds_finished[:, i] = ~(adding & outside).any(axis=1)",
    ),
    "a shared port: reads and writes go side by side": Mutation(
        PORTS,
        "cost/ports.py",
        "        yield {key: rate for each in by_way for key, rate in each.items()}\n",
        "        yield from by_way\n",
    ),
    "passes: every step is one": Mutation(
        PORTS,
        "model/counts.py",
        "    while outside and not INDEXES[j, outside[-1][0]]:\n",
        "    while False:\n",
    ),
    "single buffering: beside what is further in": Mutation(
        PORTS,
        "model/cycles.py",
        "                needed = total + cycles\n",
        "                needed = cycles\n",
    ),
    "the search grants finished sums to shares of them": Mutation(
        CHIPS,
        "kernels/search/crossing.py",
        "            amounts[last, k] = 0.0\n",
        "            amounts[last, k] *= 1.0\n",
    ),
    "the search takes turns with the computation alone": Mutation(
        CHIPS,
        "kernels/search/costs.py",
        "cycles = max(cycles, carried) + moved",
        "cycles = max(cycles, carried, moved)",
    ),
    "the search overlooks loads that are waited for": Mutation(
        CHIPS,
        "kernels/search/growth.py",
        "    amounts[kind, stall] += cycles * units\n",
        "    amounts[kind, stall] += 0.0 * cycles\n",
    ),
    "sizes: interpolated without logarithms": Mutation(
        SIZES,
        "hardware/components/ram_grid.py",
        "share = math.log(value / low) / math.log(high / low)",
        "share = (value - low) / (high - low)",
    ),
    "sizes: wires to banks forgotten": Mutation(
        SIZES,
        "hardware/components/sram.py",
        "wire = each * part.width_bits * span",
        "wire = 0.0",
    ),
    "sizes: a physical access shared by all its words": Mutation(
        SIZES,
        "hardware/memory_parts.py",
        "return block_words / used",
        "return block_words / most",
    ),
    "sizes: a new size keeps the typed energy": Mutation(
        SIZES,
        "hardware/resized.py",
        "mapping[key] = FROM_SIZE",
        "pass",
    ),
    "sizes: an energy set with a size is lost": Mutation(
        SIZES,
        "hardware/resized.py",
        "if not self.was_set(mapping, key):",
        "if True:",
    ),
    "sizes: leakage at half the clock": Mutation(
        SIZES,
        "hardware/from_sizes.py",
        "f.times(1e3 / clock, text)",
        "f.times(2e3 / clock, text)",
    ),
    "sizes: one instance for all in the area": Mutation(
        SIZES,
        "hardware/areas.py",
        "instances *= level.fanout.children",
        "instances *= 1",
    ),
    "sizes: a kibibyte of a thousand bytes": Mutation(
        SIZES,
        "hardware/units.py",
        '"B": ("capacity_kib", 1 / 1024)',
        '"B": ("capacity_kib", 1 / 1000)',
    ),
    "halo rule dropped": Mutation(
        CASES,
        "kernels/nest.py",
        "if columns == 0 and 0 < rows < tile_rows:",
        "if columns == 0 and rows == tile_rows:",
    ),
    "multicast counted per instance": Mutation(
        CASES,
        "kernels/count/counting.py",
        "shares = rules[level].multicast != NO_MULTICAST\n",
        "shares = False\n",
    ),
    "first-write elision forgotten": Mutation(
        CASES,
        "kernels/count/counting.py",
        "returning = rising - spans[parent].held\n",
        "returning = rising\n",
    ),
    "two loops in the wrong order": Mutation(
        CASES,
        "kernels/count/counting.py",
        "for i in range(outside - 1, -1, -1):\n        bound = loops[i].bound",
        "for i in range(outside):\n        bound = loops[i].bound",
    ),
    "tiles span loops before their place": Mutation(
        UNEVEN,
        "kernels/nest.py",
        "span.box[tensor, loops[i].dimension] //= loops[i].bound",
        "pass",
    ),
    "loops of a tensor's own level forgotten": Mutation(
        UNEVEN,
        "kernels/nest.py",
        "span.outside[tensor] = i + 1 + heights[level, tensor]",
        "span.outside[tensor] = i + 1",
    ),
    "children lie as near as their tiles": Mutation(
        UNEVEN_WALK,
        "kernels/count/counting.py",
        "words = plain_product(INPUTS, spans[level].spatial) * line\n",
        "words = plain_product(INPUTS, spans[level].spatial)\n"
        "    words *= plain_product(INPUTS, spans[level + 1].extent)\n",
    ),
    "indexes of a level, not of its weights": Mutation(
        INDEXES,
        "model/counts.py",
        'return tile_extents(self.mapping, self.hardware, "weights")',
        "return tile_extents(self.mapping, self.hardware)",
    ),
    "executed tensors all stand first": Mutation(
        UNEVEN_REPLAY,
        "replay/setup.py",
        "for height in sorted({0, *heights[level].tolist()})",
        "for height in (0,)",
    ),
    "stationarity ignored": Mutation(
        CASES,
        "kernels/count/counting.py",
        "bound > 1 and INDEXES[tensor, loops[i].dimension]:",
        "bound > 1:",
    ),
    "partial sums never return": Mutation(
        CASES,
        "kernels/count/counting.py",
        "returning = rising - spans[child].held\n",
        "returning = 0\n",
    ),
    "networks always add up": Mutation(
        WALK,
        "kernels/count/counting.py",
        "shares = rules[level].reduces\n",
        "shares = True\n",
    ),
    "tiles of overlapping windows are distinct": Mutation(
        (*CASES, *WALK),
        "kernels/count/positions.py",
        "return count_a * count_b - max(0, count_a - shift_a) * max(0, count_b - shift_b)",
        "return count_a * count_b",
    ),
    "short last rounds counted in full": Mutation(
        IMPERFECT,
        "kernels/imperfect/rounds.py",
        "return max(0, min(walk.extent[dimension], walk.sizes[dimension] - index))",
        "return walk.extent[dimension] if index < walk.sizes[dimension] else 0",
    ),
    "idle children served": Mutation(
        IMPERFECT,
        "kernels/imperfect/rounds.py",
        "if offset >= 0 and classes[k].base + offset < walk.sizes[dimension]:",
        "if offset >= 0:",
    ),
    "windows that grow forget what they hold": Mutation(
        IMPERFECT,
        "kernels/imperfect/requests.py",
        "if low >= old_low:",
        "if low > old_low:",
    ),
    "nothing forwarded past a level": Mutation(
        FORWARDING,
        "kernels/count/counting.py",
        "forwards = rules[level].forwards[tensor] and rules[level + 1].keeps[tensor]\n",
        "forwards = rules[level].forwards[tensor] and rules[level + 1].keeps[tensor]\n"
        "            forwards = forwards and rules[level].keeps[tensor]\n",
    ),
    "networks above share nothing of what is forwarded": Mutation(
        FORWARDING,
        "kernels/count/forwarding.py",
        "saved *= spans[parent].spread[tensor]",
        "saved *= spans[parent].children",
    ),
    "equal streams of short tiles rise apart": Mutation(
        FORWARDING,
        "kernels/imperfect/forwarding_walk.py",
        "if keys[j] == keys[i] and (more > 0 or (more == 0 and j < i)):",
        "if keys[j] == keys[i] and more > 0:",
    ),
    "every window slides": Mutation(
        SLIDES,
        "kernels/count/counting.py",
        "if move_rows != last_rows or move_columns != last_columns:",
        "if move_rows < 0 or move_columns < 0:",
    ),
    "executed windows slide by any move": Mutation(
        SLIDES,
        "kernels/replay/state.py",
        "return is_free or differences == 0",
        "return True",
    ),
    "words as narrow as the narrowest value": Mutation(
        WORDS,
        "hardware/level.py",
        "return AssumedBits(max(widths[tensor] for tensor in tensors))",
        "return AssumedBits(min(widths[tensor] for tensor in tensors))",
    ),
    "words of a level in its partitions": Mutation(
        WORDS,
        "hardware/level.py",
        "return (self.partition_of(tensor) or self).word_bits",
        "return self.word_bits",
    ),
    "codebooks in words of 16 bits": Mutation(
        WORDS,
        "hardware/schema.py",
        "store = replace(self.codebook, word_bits=AssumedBits(self.precision_bits.weights))",
        "store = replace(self.codebook, word_bits=AssumedBits(16))",
    ),
    "overflow guard forgets dilation": Mutation(
        SUMS,
        "model/counts.py",
        "largest *= stride + dilation\n",
        "largest *= stride\n",
    ),
    "overflow guard forgets strides": Mutation(
        SUMS,
        "model/counts.py",
        "largest *= stride + dilation\n",
        "largest *= dilation\n",
    ),
    "returning sums cross networks for nothing": Mutation(
        SUMS,
        "model/energy.py",
        '(("transfer", ("down", "up")), ("forward", ("forwarded",))):',
        '(("transfer", ("up",) if tensor == "outputs" else ("down", "up")), '
        '("forward", ("forwarded",))):',
    ),
    "sums cross networks at the width of inputs": Mutation(
        SUMS,
        "model/traffic.py",
        'crossing = words * bits["partial_sums"]\n',
        'crossing = words * bits["inputs"]\n',
    ),
    "sums are stored at the width of inputs": Mutation(
        SUMS,
        "model/traffic.py",
        '    width = widths["partial_sums"]\n    bits = words * width',
        '    width = widths["inputs"]\n    bits = words * width',
    ),
    "sums take the room of inputs": Mutation(
        SUMS,
        "model/counts.py",
        "used += held * bits[tensor]",
        'used += held * bits["inputs"]',
    ),
    "bulk counts give sums the room of inputs": Mutation(
        SUMS,
        "model/bulk.py",
        "np.array([[each[tensor] for tensor in TENSORS] for each in widths])",
        'np.array([[each["weights"], each["inputs"], each["inputs"]] for each in widths])',
    ),
    "the mapper takes sums to be as narrow as inputs": Mutation(
        SUMS,
        "cost/prices.py",
        "plain = stored = float(widths[name])",
        'plain = stored = float(widths["inputs"])',
    ),
    "skipped MACs take their cycle": Mutation(
        ZEROS,
        "model/cycles.py",
        "math.ceil(counts.temporal_steps * left_of_cycles(units, counts.layer.zeros))",
        "math.ceil(counts.temporal_steps * left_of_cycles(units, type(counts.layer.zeros)()))",
    ),
    "partial sums compressed like finished ones": Mutation(
        ZEROS,
        "model/traffic.py",
        "bits -= finished_words(counts, index) * (width - stored)",
        "bits -= words * (width - stored)",
    ),
    "the first MAC of a sum spared": Mutation(
        ZEROS,
        "model/traffic.py",
        'served = counts.words(hardware.levels[index].name, tensor, "reads")',
        'served = counts.words(hardware.levels[index].name, tensor, "updates")',
    ),
    "what children share crosses a link for each": Mutation(
        HOPS,
        "model/hops.py",
        "groups = tiles if shared and between_levels else np.arange(len(tiles))",
        "groups = np.arange(len(tiles))",
    ),
    "one copy of the codebook written": Mutation(
        (*CLUSTERED, "tests/model/test_decode.py"),
        "model/energy.py",
        "* copies * place.write_pj",
        "* place.write_pj",
    ),
    "dense weights at the decoder's level": Mutation(
        CLUSTERED,
        "cost/weight_format.py",
        "return self.unit is not None and level <= self.decode_level",
        "return self.unit is not None and level < self.decode_level",
    ),
    "a moved decoder has the store of its own level": Mutation(
        ("tests/estimation/test_moved_decoders.py",),
        "cost/weight_format.py",
        "moved = store.moved_to(level)",
        "moved = replace(store, level=level, at={})",
    ),
    "a moved store has the size of the codebook's own": Mutation(
        ("tests/hardware/test_moved_stores.py",),
        "cost/sized_store.py",
        "size = _size(store.moved_to(level), largest)",
        "size = _size(store, largest)",
    ),
    "a cut unit needs a part of its index": Mutation(
        CLUSTERED,
        "cost/weight_format.py",
        "units *= -(-extent[dimension] // size)",
        "units *= max(1, extent[dimension] // size)",
    ),
    "a shared codebook loaded by every layer": Mutation(
        CLUSTERED,
        "cost/clustered_formats.py",
        "        loaded.add(name)\n",
        "",
    ),
    "scales and offsets move for nothing": Mutation(
        (*CLUSTERED, "tests/model/test_decode.py"),
        "cost/clustered_formats.py",
        "    bits += part.units * part.settings.extras_bits\n",
        "",
    ),
    "negative weights taken for zeros": Mutation(
        CLUSTERED_ZEROS,
        "cost/clustered_formats.py",
        "np.count_nonzero(weights == 0)",
        "np.count_nonzero(weights <= 0)",
    ),
    "a shared codebook stored with every layer": Mutation(
        STORAGE,
        "clustering/storage.py",
        "            own = 0\n",
        "",
    ),
    "transforms stored for nothing": Mutation(
        STORAGE,
        "clustering/storage.py",
        "transforms_bits=units * fixed_index_bits(settings.transforms),",
        "transforms_bits=0,",
    ),
    "padding of relative positions forgotten": Mutation(
        LAYOUTS,
        "clustering/positions.py",
        "return int((_gaps(zero) >> bits).sum())",
        "return 0",
    ),
    "stages stored with one index": Mutation(
        LAYOUTS,
        "clustering/storage.py",
        "return units * settings.stages * mean, 0",
        "return units * mean, 0",
    ),
    "outliers stored without their places": Mutation(
        LAYOUTS,
        "clustering/storage.py",
        "return count * (value_bits + fixed_index_bits(words))",
        "return count * value_bits",
    ),
    "codebooks of filters taken for those of channels": Mutation(
        LAYOUTS,
        "clustering/resolve.py",
        "// rows * along + np.arange(blocks) // columns",
        "// rows + np.arange(blocks) // columns",
    ),
    "clustered weights stored as dense ones, too": Mutation(
        STORAGE,
        "clustering/storage.py",
        "dense_weights_bits=0 if part.unit else plain,",
        "dense_weights_bits=plain,",
    ),
    "shared layers: sums that tiles add to are finished": Mutation(
        ("tests/sharing/test_shared_walk.py",),
        "sharing/phases.py",
        "        if not units.finishes:\n",
        "        if False:\n",
    ),
    "shared layers: what a run finishes is all": Mutation(
        ("tests/sharing/test_shared_walk.py",),
        "sharing/phases.py",
        "counts.finished and counts.finished.times(runs)",
        "counts.finished",
    ),
    "shared layers: tables are read as they are begun": Mutation(
        ("tests/sharing/test_shared_walk.py",),
        "sharing/phases.py",
        'counted=Counted() if role == "outputs" else level.counted',
        "counted=level.counted",
    ),
    "operations: inputs stay outside": Mutation(
        ("tests/model/test_operations.py",),
        "model/operations.py",
        '        if i and operation.kind == "concat":\n',
        "        if i:\n",
    ),
    "products as narrow as inputs": Mutation(
        ("tests/sharing/test_shared_widths.py",),
        "sharing/phases.py",
        "    widths[role] = units.bits\n",
        "",
    ),
    "products take the room of inputs": Mutation(
        ("tests/sharing/test_shared_widths.py",),
        "sharing/plan.py",
        "needed[self.role] += shapes.shared_tables * width * value_bits",
        "needed[self.role] += shapes.shared_tables * width * bits['inputs']",
    ),
    "words of the phases follow what these keep": Mutation(
        WORDS,
        "sharing/places.py",
        "    hardware = hardware.with_given_words()\n",
        "",
    ),
    "sums of whole blocks gathered for nothing": Mutation(
        SHARING_REPLAY,
        "sharing/phases.py",
        "gathered = layer.macs * (1 + shared.has_offsets)",
        "gathered = layer.macs",
    ),
    "the phases fill the home": Mutation(
        SHARING,
        "sharing/phases.py",
        "        inner[level, j, FILLS] = False\n",
        "",
    ),
    "shared layers: every home pays for what is in use above it": Mutation(
        (
            "tests/sharing/test_sharing_optimum.py::"
            "test_homes_work_side_by_side_where_that_takes_the_fewest_cycles",
        ),
        "sharing/cost.py",
        "        if i >= home:\n",
        "        if i >= 0:\n",
    ),
    "lookups in a level are not read side by side": Mutation(
        ("tests/mapping/test_optimum.py::test_lookups_in_several_buffers_go_side_by_side",),
        "kernels/search/costs.py",
        "amounts[SPENT, problem.store_port] / most +",
        "amounts[SPENT, problem.store_port] +",
    ),
    "there is one store of a codebook": Mutation(
        ("tests/mapping/test_optimum.py::test_stores_of_several_buffers_go_side_by_side",),
        "mapping/least.py",
        "machine.lookup_cycles / instances[decoder if port == levels else port]",
        "machine.lookup_cycles",
    ),
    "each value of an entry is a word of its own": Mutation(
        ("tests/mapping/test_optimum.py::test_stores_of_several_buffers_go_side_by_side",),
        "mapping/least.py",
        "read = max(bits, 1 / (filters * math.prod(sizes)))",
        "read = 1",
    ),
    "sums that homes have apart come back": Mutation(
        (
            "tests/sharing/test_sharing_search.py::"
            "test_sums_of_channels_that_homes_have_apart_do_not_come_back",
        ),
        "sharing/least_costs.py",
        "        if self._is_single(home):\n",
        "        if home:\n",
    ),
    "narrower tables of sums take their share": Mutation(
        ("tests/sharing/test_sharing_search.py",),
        "sharing/least_entries.py",
        "energy -= again * more * layer.output_words * pj",
        "pass",
    ),
    "boxes may lack what levels further out spread": Mutation(
        (
            "tests/mapping/test_search.py::test_a_level_may_leave_a_dimension_to_what_is_spread_further_out",
        ),
        "mapping/floors.py",
        "        grows |= (extents[spread] > 1).any(axis=0)\n",
        "",
    ),
    "the first channels read outputs that are not there": Mutation(
        SHARING_REPLAY,
        "sharing/plan.py",
        "self.layer.output_words * (tile.rounds(self.layer).C - 1)",
        "self.layer.output_words * tile.rounds(self.layer).C",
    ),
    "addresses do not say where an entry ends": Mutation(
        SHARING,
        "sharing/plan.py",
        "bits = Fraction(fixed_index_bits(units) + ordered + extras, ordered)",
        "bits = Fraction(fixed_index_bits(units) + extras, ordered)",
    ),
    "filters that share an order have an address each": Mutation(
        ("tests/sharing/test_sorted_sums.py",),
        "sharing/plan.py",
        "bits *= max(ordered, 1)",
        "bits *= 1",
    ),
    "sums are passed on to no filter": Mutation(
        ("tests/sharing/test_sorted_sums.py",),
        "kernels/sorted_units.py",
        "passed[row] += f > leader",
        "passed[row] += 0",
    ),
    "homes wait for the mean of the entries": Mutation(
        ("tests/sharing/test_shared_widths.py",),
        "sharing/account.py",
        "entries.cycles if beside == 1 else -(-entries.longest * entries.runs // beside)",
        "entries.cycles // beside",
    ),
    "scales of gathered values for nothing": Mutation(
        (*SHARING, "tests/estimation/test_execution_counts.py"),
        "sharing/account.py",
        "factors = gathered * (shared.has_factors + shared.has_offsets)",
        "factors = gathered * shared.has_offsets",
    ),
    "an entry lies in every place of its tile once": Mutation(
        SHARING,
        "sharing/plan.py",
        "places: int = tile.N * rows * columns * self.depth * rounds.N * rounds.P * rounds.Q",
        "places: int = tile.N * rows * columns * self.depth * rounds.N",
    ),
    "lookups in a level take no time": Mutation(
        DECODE,
        "model/cycles.py",
        "words += count_lookups(counts, form, place).timed_words\n",
        "words += 0\n",
    ),
    "stores serve any number of lookups": Mutation(
        DECODE,
        "model/cycles.py",
        "return cycles_at(place.read_words_per_cycle, words / instances)\n",
        "return 0\n",
    ),
    "all stores share one port": Mutation(
        DECODE,
        "model/cycles.py",
        "return cycles_at(place.read_words_per_cycle, words / instances)\n",
        "return cycles_at(place.read_words_per_cycle, words)\n",
    ),
    "entries are read in parts of words": Mutation(
        DECODE,
        "kernels/count/lookups.py",
        "-(-values * entry_bits // word_bits)",
        "(values * entry_bits // word_bits)",
    ),
    "loading a codebook takes no time": Mutation(
        DECODE,
        "model/cycles.py",
        'words += codebook_words * (index == 0 and action == "reads")\n',
        "words += 0\n",
    ),
    "the search looks entries up at once": Mutation(
        SEARCH_CLUSTERED,
        "kernels/search/crossing.py",
        "cycles *= words * read / (whole[0] * whole[1] * whole[2] * whole[3])",
        "cycles *= 0.0 * read",
    ),
    "tensors at other places of a level take no room": Mutation(
        SEARCH,
        "kernels/search/growth.py",
        "used = labels.rows[source].used[group]",
        "used = 0.0 * labels.rows[source].used[group]",
    ),
    "first tiles without padding lie at the far end": Mutation(
        PADDED,
        "kernels/search/padding.py",
        "skipped = shift if end == 1 else",
        "skipped = 0 * shift if end == 1 else",
    ),
    "children with the same tile share no padding": Mutation(
        PADDED,
        "kernels/search/padding.py",
        "if not is_shared or is_first(",
        "if True or is_first(",
    ),
    "what is open costs as much after any loop": Mutation(
        SEARCH,
        "kernels/search/growth.py",
        "scale_open(labels, new, kind, 1.0 / bound)",
        "scale_open(labels, new, kind, 1.0)",
    ),
    "partial mappings with more room in use are as good": Mutation(
        SEARCH,
        "kernels/search/comparing.py",
        "if a.used[i] > b.used[i] * SLACK:",
        "if a.used[i] > np.inf:",
    ),
    "bounds count outputs that never come back": Mutation(
        SEARCH,
        "mapping/floors.py",
        "less = np.array([[known.back if each else 0.0] for each in later])",
        "less = np.zeros((len(placed), 1))",
    ),
    "windows that move keep nothing": Mutation(
        WINDOWS,
        "kernels/search/inputs.py",
        "kept *= node.kept[part] * (1 - 1 / left)",
        "kept = 0.0",
    ),
    "what a level keeps is bounded as if it passed by": Mutation(
        SEARCH,
        "kernels/search/costs.py",
        "if not kept >> tensor & 1:",
        "if kept >> tensor & 1:",
    ),
    "forwarding spares nothing until a mapping is whole": Mutation(
        PLACES,
        "kernels/search/crossing.py",
        "row.share = min(1.0, spread.shares[INPUTS] * arriving / row.flight[INPUTS])",
        "row.share = 1.0",
    ),
    "mappings that may forward are compared with others": Mutation(
        PLACES,
        "kernels/search/comparing.py",
        "if (a.state | b.state) & (MAY_FORWARD | FORWARDS):",
        "if (a.state | b.state) & 0:",
    ),
    "words reach the last column, whatever they share": Mutation(
        PLACES,
        "mapping/mesh.py",
        "reach[axis] += (bound - 1) * stride * (0.5 if seen[dimension] else 1.0)",
        "reach[axis] += (bound - 1) * stride",
    ),
    "loops over children stand in any order": Mutation(
        PLACES,
        "mapping/limits.py",
        "if list(_sorted(own, items or ())) != own:",
        "if own is None:",
    ),
    "bounds that leave a short round are not listed": Mutation(
        SHORT,
        "mapping/larger.py",
        "fewer = {-(-rounds // bound) for bound in range(2, rounds + 1)}",
        "fewer = {rounds // bound for bound in range(2, rounds + 1) if rounds % bound == 0}",
    ),
    "what is read for a neighbor enters the network below": Mutation(
        PORTS,
        "model/traffic.py",
        'if way == "down" and index:',
        "if index < 0:",
    ),
    "parts of mappings that may go on in other ways are alike": Mutation(
        FIXED,
        "kernels/search/comparing.py",
        "or a.made != b.made:",
        "or a.made > b.made + 10**6:",
    ),
    "tensors that are fixed move past loops that they do not see": Mutation(
        FIXED,
        "kernels/search/growth.py",
        "    if problem.places[level].ordered:\n        return row.near\n",
        "",
    ),
    "the next best mapping is looked for among all": Mutation(
        RANKING,
        "mapping/ranking.py",
        "made[choice.level] = choice.made(limit)",
        "made[choice.level] = limit",
    ),
    "tensors that touch are counted twice": Mutation(
        SEARCH,
        "mapping/census.py",
        'behind = found - begun[stage] if row["placed"] else found',
        "behind = found",
    ),
    "a stage that was not finished is forgotten": Mutation(
        LEFT,
        "mapping/engine.py",
        "heads = labels.heads[tally[STAGE] :].copy()",
        "heads = labels.heads[tally[STAGE] + 1 :].copy()",
    ),
    "retraining: entries of zero move": Mutation(
        TIES,
        "retrain/weight.py",
        "return entries if self.keep is None else torch.where(self.keep, entries, 0)",
        "return entries",
    ),
    "retraining: units of a block choose among all rows": Mutation(
        TIES,
        "retrain/weight.py",
        "rows = rows + blocks[:, None, None] * len(self.shared.entries)",
        "rows = rows + 0 * blocks[:, None, None]",
    ),
    "retraining: a shared tensor is tied in its first module alone": Mutation(
        ("tests/retrain/test_any_model.py",),
        "retrain/tie.py",
        "in holders_of(model, places[name]):",
        "in holders_of(model, places[name])[:1]:",
    ),
    "retraining: units move to the end": Mutation(
        TIES, "retrain/tie.py", "self.steps > self.reassign_until", "self.steps < 0"
    ),
    "retraining: sweeps take old weights for new": Mutation(
        ("tests/exploration/test_retraining.py",),
        "exploration/retraining.py",
        "asked[name] = _content(asked[name])",
        "asked[name] = str(asked[name])",
    ),
    "retraining: momenta are kept": Mutation(
        TIES, "retrain/reassign.py", "value[changed] = 0", "value[changed] *= 1"
    ),
    "retraining: pruned weights come back": Mutation(
        TIES, "retrain/pruning.py", "weight.mul_(mask.to(weight.device))", "pass"
    ),
    "retraining: units drawn to the sums of their clusters": Mutation(
        PENALTY, "retrain/penalty.py", "means = sums / counts[:, None]", "means = 1.0 * sums"
    ),
    "retraining: a refresh starts anew": Mutation(
        PENALTY,
        "retrain/penalty.py",
        "start = group.entries[offset : offset + clusters]",
        "start = np.ascontiguousarray(units[chosen][:clusters], np.float32)",
    ),
    "retraining: every epoch in the same order": Mutation(
        IMAGES,
        "retrain/images.py",
        "order = np.random.default_rng([seed, epoch])",
        "order = np.random.default_rng([seed, 0])",
    ),
    "retraining: optimizers start anew": Mutation(
        LOOP,
        "retrain/fit.py",
        'self.optimizer.load_state_dict(state["optimizer"])',
        'str(state["optimizer"])',
    ),
    "exploration: optima taken over at any cost": Mutation(
        PROBLEMS,
        "exploration/problems.py",
        "if objective_value(objective, energy, cycles) <= limit:",
        "if objective_value(objective, energy, cycles) <= 2 * limit:",
    ),
    "exploration: bounds from the smallest memory": Mutation(
        PROBLEMS,
        "mapping/as_mapped.py",
        "return None if None in found else max(each for each in found if each is not None)",
        "return None if None in found else min(each for each in found if each is not None)",
    ),
    "exploration: the front keeps what is worse in one": Mutation(
        ANSWERS,
        "exploration/answers.py",
        "worse = (best <= cost).all(axis=1) & (best < cost).any(axis=1)",
        "worse = (best < cost).all(axis=1)",
    ),
    "exploration: torn lines are believed": Mutation(
        INTERRUPTED,
        "exploration/store.py",
        'if not line.endswith(b"\\n") or checksum',
        "if False and checksum",
    ),
}


def fails(copy: Path, tests: tuple[str, ...], cache: Path) -> bool:
    """Whether any of some tests fails on the sources in a folder."""
    settings = {"PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(cache), "CI": "true"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=copy, env={**os.environ, **settings}, stdin=subprocess.DEVNULL,
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout.decode() + done.stderr.decode())
    return done.returncode == 1


def is_caught(copy: Path, mutation: Mutation, folder: Path) -> bool:
    """Whether the tests of a mutation notice it; the copy is left as it was."""
    changed = copy / "kcsim" / mutation.file
    text = changed.read_text(encoding="utf-8")
    if text.count(mutation.before) != 1:
        raise SystemExit(f"{mutation.file} does not hold exactly once: {mutation.before!r}")
    changed.write_text(text.replace(mutation.before, mutation.after), encoding="utf-8")
    try:
        # A kernel that takes a helper from another file would not notice that this has changed.
        if mutation.file.startswith("kernels/"):
            with tempfile.TemporaryDirectory() as cache:
                return fails(copy, mutation.tests, Path(cache))
        return fails(copy, mutation.tests, folder / "kernels")
    finally:
        changed.write_text(text, encoding="utf-8")


def main() -> None:
    """Print what was caught; exit with 1 if something was not, or the unchanged code fails."""
    words = sys.argv[1:]
    chosen = {
        name: mutation
        for name, mutation in MUTATIONS.items()
        if not words or any(word in name for word in words)
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / "kcsim"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        tests = tuple(sorted({test for mutation in chosen.values() for test in mutation.tests}))
        wrong = int(fails(copy, tests, folder / "kernels"))
        print(f"{'FAILED' if wrong else 'passed':8} nothing changed", flush=True)
        for name, mutation in chosen.items():
            caught = is_caught(copy, mutation, folder)
            wrong += not caught
            print(f"{'caught' if caught else 'PASSED':8} {name}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
