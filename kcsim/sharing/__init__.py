"""Clustered layers that share products or sums: two phases with an intermediate tensor.

`tiles` says what layers the phases of a tile are, `distinct_entries` how many entries meet in one,
`plan` what is known and chosen, `places` where it may lie, `phases` counts one phase, `account`
adds up the parts, `search` (with `bounds` and `outer`) chooses.
"""
