"""All that executes a mapped layer word by word and compares: dense, and with shared parts."""
