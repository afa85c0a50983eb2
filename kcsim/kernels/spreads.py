"""How many units loops can be spread over at most, where all factors are to be divisors."""

from kcsim.kernels.compilation import kernel


@kernel
def most_spread(products, along_x, along_y, found):
    """The most units of two axes that factors of a number can be spread over.

    Parameters
    ----------
    products : int64[:]
        Of all loops that may be spread; at least 1.
    along_x, along_y : int
        Units along each axis.
    found : float64[:]
        Filled with the largest product of a divisor up to `along_x`, and one of what is left up to
        `along_y`.
    """
    for i in range(products.shape[0]):
        product, best = products[i], 1
        for x in range(min(along_x, product), 0, -1):
            if x * along_y <= best:
                break
            if product % x:
                continue
            rest = product // x
            for y in range(min(along_y, rest), 0, -1):
                if x * y <= best:
                    break
                if rest % y == 0:
                    best = x * y
        found[i] = best
