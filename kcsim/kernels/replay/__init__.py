"""The replay of a mapped loop nest, word by word."""
