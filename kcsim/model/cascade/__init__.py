"""Clustered layers that share products or sums: two phases with an intermediate tensor.

`tiles` says what layers the phases of a tile are, `plan` what is known and chosen, `places` where
it may lie, `phases` counts one phase, `estimate` adds up the parts, `search` (with `bounds` and
`outer`) chooses, `replay` (with `execute`) runs it with real values, `check` compares the two.
"""
