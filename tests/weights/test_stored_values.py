from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kcsim.clustering.precision import quantize, values_bits
from kcsim.errors import InputError

VALUES = arrays.arrays(
    np.float32,
    st.integers(1, 30),
    elements=st.floats(-1e4, 1e4, width=32),
)


@given(VALUES, st.integers(2, 31).filter(lambda bits: bits != 16))
def test_integers_times_a_step(values, bits):
    stored = quantize(values, bits, "x")
    limit = 2 ** (bits - 1) - 1
    assert np.abs(stored.codes).max() <= limit
    # Half a step, and the rounding of float32 to which values come back.
    largest = np.abs(values).max()
    assert (np.abs(stored.values - values) <= 0.501 * stored.step + 1e-6 * largest).all()
    assert (stored.values[values == 0] == 0).all()
    assert values_bits(values.size, bits) == values.size * bits + 32


@given(VALUES)
def test_floating_point(values):
    assert (quantize(values, 32, "x").values == values).all()
    assert (quantize(values, 16, "x").values == values.astype(np.float16)).all()
    assert values_bits(values.size, 16) == 16 * values.size


@given(VALUES, st.sampled_from([2, 5, 8, 16, 31, 32]))
def test_what_is_stored_is_stored_again_without_change(values, bits):
    once = quantize(values, bits, "x").values
    again = quantize(once, bits, "x").values
    np.testing.assert_allclose(again, once, rtol=3e-7)


def test_what_fits_no_width():
    with pytest.raises(InputError, match=r"x holds 1e\+05; expected what fits 16 bits"):
        quantize([1e5], 16, "x")
    for bits in (1, 33, 64):
        with pytest.raises(InputError, match=f"x cannot be stored in {bits} bits"):
            quantize([1.0], bits, "x")
