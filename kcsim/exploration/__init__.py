"""Thousands of designs: spaces, what points have in common, engines, the table, answers."""
