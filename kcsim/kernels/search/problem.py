"""What a search works on: a layer, a hardware and the choices that it leaves, as arrays.

A mapping is built from the MAC units outwards: loops, spreads over children, and *nodes*, places
at which a level keeps the tile of a tensor. The *box* of a place is what all loops inside of it
span together, one of the tiles of a lattice. A *stage* is a level with some of its nodes placed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import bool_, float64, int64

from kcsim.kernels.layout import record
from kcsim.kernels.search.machine import Machine
from kcsim.kernels.search.padding import Margins
from kcsim.kernels.search.tilings import Lattice

STAGE = record(level=int64, kept=int64, placed=int64, after=(int64, 3), loops=bool_)
"""A level, its tensors that a mapping keeps and those that are placed, as bits.

after
    The stage that follows when a tensor is placed; -1 where it cannot be.
loops
    Whether a loop may follow.
"""

PLACE = record(
    dimensions=(int64, 8), stationary=int64, first_stage=int64, last_stage=int64,
    first_split=int64, last_split=int64, most_units=float64, most_copies=float64, limited=bool_,
    ordered=bool_, start=int64,
)  # fmt: skip
"""A level.

dimensions, stationary
    Dimensions that its loops may iterate over; the tensor whose blind loops must be
    innermost, or -1.
first_stage, last_stage
    Its stages with nothing placed.
first_split, last_split
    Ways to spread factors over the children below it.
most_units, most_copies
    Instances of the level at most, and instances at most that hold the same output.
limited, ordered
    Whether a user limits its chains, and whether by their order or their tiles, too.
start
    The state of `Problem.moves` in which it begins.
"""

SPLIT = record(
    tile=int64, first_loop=int64, last_loop=int64, inputs=int64, children=int64, bundle=int64,
    copies=float64, shares=(float64, 3), links=(float64, 4), tilted=int64, forwards=bool_,
)  # fmt: skip
"""A way to spread factors over children.

tile, inputs
    All factors, and those that inputs see.
first_loop, last_loop
    Its loops, those along X first, each axis from outside in; see `MESH_LOOP`.
children, copies
    Children in use, and children that hold the same output.
bundle
    The same for those of a level that share words about alike; they stand together.
shares
    Share of the words of each tensor that the level sends apart, at least.
links
    Links of the mesh that a word of each tensor crosses, on its way in or, of outputs, out, and an
    output on its way back, beyond those that the price of a transfer includes.
tilted
    Row of `Problem.tilted` with those of inputs, where they depend on the box; else -1.
forwards
    Whether children may take inputs from their neighbors.
"""

MESH_LOOP = record(kind=int64, dimension=int64, bound=int64)
"""A loop over children; its kind as of `kcsim.kernels.layout.LOOP`."""


class Problem(NamedTuple):
    """A layer on a hardware, with the choices that are left.

    Attributes
    ----------
    lattice : Lattice
    machine : Machine
        Of a mapping that keeps every tensor at the innermost level.
    bare_pj : float64[4]
        What changes where the innermost level does not keep a tensor: energy of a word on the
        network below it, by tensor, and of a lookup.
    bare_cycles : float
        Cycles of a lookup there.
    stages : STAGE[stages]
    places : PLACE[levels]
    splits : SPLIT[splits]
    words : float64[3, tiles]
        Words of the tile of each tensor; of inputs with what windows skip.
    distinct : float64[tiles]
        Words of inputs that windows touch, without padding that is not moved.
    rounds : float64[tiles]
        Tiles of the layer.
    unseen : float64[3, tiles]
        How much larger the layer is than a tile along what a tensor does not see, or along which
        windows slide.
    along : float64[tiles]
        What slides of a tile along either axis can spare at most.
    resumed : float64[2, tiles]
        Share of inputs that have slid along rows, or columns, which further slides may spare at
        most, if each of them went on where the last ones ended.
    lines : float64[2]
        Rows and columns that windows touch.
    inputs : int64[tiles]
        Tiles without what inputs do not see.
    mirror : int64[tiles]
        Tiles with rows and columns exchanged; empty where these are not alike.
    slides : bool[2]
        Whether windows overlap along rows and columns.
    store_port : int
        Account of the cycles of lookups, 0 for none.
    whole_units : bool
        Whether no tile cuts a unit of weights.
    outputs : float
        Words of outputs.
    moves : int64[states, factors + 3]
        What a user lets levels do, if anything is limited: the state after a loop over each prime
        factor, and after a node of each tensor; -1 where there may be none.
    ends : bool[states]
        Whether a level may end.
    alive : bool[states, tiles]
        Whether loops and spreads may follow with which the box becomes the whole layer.
    may_hold : bool[levels, 3, tiles]
        Whether a level may have a node of a tensor; empty where no tiles are limited.
    spared_pj : float64[levels + 1]
        Energy that finished outputs spare at most at levels, and on networks, further out.
    mesh_loops : MESH_LOOP[:]
    link_pj : float64[levels + 1, 3]
        Energy of a word on one link of the mesh below a level; the last row where the innermost
        one does not keep the tensor.
    finished_link_pj : float64[levels]
        What of that a finished word of outputs spares.
    tilted : float64[rows, tiles]
        Links of a word of inputs, where rows or columns of the array are given the same ones.
    forward_pj, forward_cycles : float64[levels]
        Energy and cycles of a word of inputs that a level reads for a neighbor.
    margins : Margins or None
        Padding that is not moved; ``None`` where the hardware moves all of it.
    """

    lattice: Lattice
    machine: Machine
    bare_pj: np.ndarray
    bare_cycles: float
    stages: np.ndarray
    places: np.ndarray
    splits: np.ndarray
    words: np.ndarray
    distinct: np.ndarray
    rounds: np.ndarray
    unseen: np.ndarray
    along: np.ndarray
    resumed: np.ndarray
    lines: np.ndarray
    inputs: np.ndarray
    mirror: np.ndarray
    slides: np.ndarray
    store_port: int
    whole_units: bool
    outputs: float
    moves: np.ndarray
    ends: np.ndarray
    alive: np.ndarray
    may_hold: np.ndarray
    spared_pj: np.ndarray
    mesh_loops: np.ndarray
    link_pj: np.ndarray
    finished_link_pj: np.ndarray
    tilted: np.ndarray
    forward_pj: np.ndarray
    forward_cycles: np.ndarray
    margins: Margins | None
