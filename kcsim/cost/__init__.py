"""What one access costs: prices, formats of weights, what zeros save."""
