"""k-means: seeding, Lloyd's iterations, and the exact solution for scalars."""
