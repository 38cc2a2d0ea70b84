"""The demonstration: real shares in all three modes, on a machine's own small network."""
