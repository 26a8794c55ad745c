"""What the paper does not have: ranks, fitted starts, samplers by name, metadata."""
