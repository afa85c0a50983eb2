"""How many different entries the units of a tile have."""

import numpy as np

from kcsim.kernels.compilation import kernel


@kernel
def count_distinct(keys, size, found):
    """Count the different keys of every row.

    Parameters
    ----------
    keys : int64[rows, units]
        From 0 to below `size`; a negative key counts as none.
    size : int
    found : int64[rows]
        Filled.
    """
    seen = np.full(size, -1, np.int64)
    for row in range(keys.shape[0]):
        count = 0
        for unit in range(keys.shape[1]):
            key = keys[row, unit]
            if key >= 0 and seen[key] != row:
                seen[key] = row
                count += 1
        found[row] = count
