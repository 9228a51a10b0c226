"""What the figures mean: pure functions from values to values."""
