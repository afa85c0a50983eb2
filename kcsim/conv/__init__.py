"""Convolution with clustered weights, executed: decoded, sharing products or sharing sums."""
