"""Closed-form counts of a mapped loop nest whose bounds divide their dimensions."""
