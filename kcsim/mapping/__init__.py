"""Mappings: loop nests over the levels of a hardware, read from files or found."""

from kcsim.mapping.nest import LevelLoops, Loop, Mapping

__all__ = ["LevelLoops", "Loop", "Mapping"]
