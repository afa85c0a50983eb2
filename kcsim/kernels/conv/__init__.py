"""Clustered convolution: planes of inputs, shared products, shared sums."""
