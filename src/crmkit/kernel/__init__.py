"""The kernel: what concepts are made of."""
