"""How weights are clustered: schemes, their specification, and the bits that they take."""
