"""YAML, or a dict of the same shape, to checked values."""
