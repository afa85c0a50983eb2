"""Distinct places of children along an axis, and what they cover together."""

from __future__ import annotations

from kcsim.kernels.nest import helper


@helper
def greatest_common_divisor(a, b):
    """Greatest common divisor of two positive integers."""
    while b:
        a, b = b, a % b
    return a


@helper
def distinct_positions(count_a, step_a, count_b, step_b):
    """Number of distinct values of ``step_a * i + step_b * j``.

    Two index pairs meet when they differ by a multiple of
    ``(step_b, -step_a) / gcd``; each value is counted at the pair that has no
    predecessor in that direction.
    """
    if count_a == 1 or count_b == 1:
        return count_a * count_b
    divisor = greatest_common_divisor(step_a, step_b)
    shift_a, shift_b = step_b // divisor, step_a // divisor
    return count_a * count_b - max(0, count_a - shift_a) * max(0, count_b - shift_b)


@helper
def covered_length(count_a, step_a, count_b, step_b, length):
    """Length of the union of ``[step_a*i + step_b*j, ... + length)`` over all i, j."""
    # Intervals that touch along one index are one interval to the other index.
    if count_a == 1 or length >= step_a:
        length += step_a * (count_a - 1)
        return min(step_b, length) * (count_b - 1) + length
    if count_b == 1 or length >= step_b:
        length += step_b * (count_b - 1)
        return min(step_a, length) * (count_a - 1) + length
    if length == 1:
        return distinct_positions(count_a, step_a, count_b, step_b)
    if count_b > count_a:
        count_a, step_a, count_b, step_b = count_b, step_b, count_a, step_a
    divisor = greatest_common_divisor(step_a, step_b)
    shift_a, shift_b = step_b // divisor, step_a // divisor
    total = 0
    for j in range(count_b):
        # Where a later j has the same places, they are counted there.
        last = count_a if j + shift_b >= count_b else min(count_a, shift_a)
        i = 0
        while i < last:
            # The nearest interval that follows is as far away for all i up to `until`.
            gap, until = length, last
            for other in range(count_b):
                distance = (step_b * (other - j) - 1) % step_a + 1
                following = i + (distance - step_b * (other - j)) // step_a
                if distance < gap and following < count_a:
                    if following >= 0:
                        gap = distance
                    else:
                        until = min(until, i - following)
            for other in range(count_b):
                distance = (step_b * (other - j) - 1) % step_a + 1
                following = i + (distance - step_b * (other - j)) // step_a
                if distance == gap and 0 <= following < count_a:
                    until = min(until, i + count_a - following)
            total += gap * (until - i)
            i = until
    return total
