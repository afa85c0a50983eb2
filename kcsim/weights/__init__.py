"""Real weights: files, matching, k-means, recognized codebooks, the clustered file."""
