"""Fields of mappings and of what is found out about them: a part of `kcsim.fields`."""

from __future__ import annotations

from typing import Any

MAPPING_HOMES: dict[str, tuple[tuple[Any, ...], ...]] = {
    "mapping.nest": (
        ("mapping", "records", "", "The loop nest, outermost level first; where products or sums "
         "are shared, that of the whole layer (`outer`)."),
        ("temporal", "texts", "", "Loops in time, each as `P=13`, outermost first."),
        ("spatial_x", "texts", "", "Loops over the children along X."),
        ("spatial_y", "texts", "", "Loops over the children along Y."),
        ("bypass", "texts", "", "Tensors that pass by although the level could keep them."),
        ("heights", "integers", "", "For weights, inputs and outputs, how many of the loops in "
         "time stand outside of the tensor's place; zeros where all tiles change together."),
    ),
    "mapping.search": (
        ("objective", "text", "", "What mappings minimize, and what executions are chosen by."),
        ("search", "record", "", "How a mapping was found; none for a given one."),
        ("proved", "flag", "", "Whether no other mapping of the map space is better."),
        ("gap", "share", "", "How much lower the objective of another mapping may be at most; "
         "none if unknown."),
        ("mappings", "number", "", "Mappings in the map space."),
        ("evaluated", "integer", "", "Mappings that were costed in full; bounds ruled out the "
         "others."),
        ("pruned", "number", "", "Mappings that bounds ruled out."),
        ("search_seconds", "number", "s", "Time of the search."),
        ("fixed", "flag", "", "Whether only mappings were searched that have what a user fixed."),
        ("points", "records", "", "The mappings that no other beats in both energy and cycles, the "
         "fastest first."),
    ),
    "mapping.ranking": (
        ("ranked", "records", "", "The best mappings that differ, the best first."),
        ("differ", "text", "", "What counts as different: `spreads` for what levels keep and what "
         "they spread over their children, `tiles` for the shapes of tiles as well."),
        ("rank", "integer", "", "Place by the objective, the best 1."),
        ("behind", "share", "", "How much more of the objective a mapping takes than the best."),
        ("spread", "text", "", "Factors over the children, by level and axis."),
    ),
    "model.insight": (
        ("insight", "record", "", "Why the best mapping is the best; none where that was not "
         "asked."),
        ("tight", "records", "", "What tiles take of the room of each store, and transfers of the "
         "cycles."),
        ("busy_cycles", "integer", "", "Cycles of the transfers of a level, of the computation or "
         "of the stores of the codebook."),
        ("gains", "records", "", "What a little more of one part of the hardware would give."),
        ("change", "text", "", "What there would be more of, at the same energies."),
        ("saved", "number", "", "How much less of the objective the best mapping then takes, "
         "exactly; none unless both are proved."),
        ("saved_share", "share", "", "The same, as a share."),
    ),
}  # fmt: skip
