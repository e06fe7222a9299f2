"""Where versions run: whether each copy of a release can take requests."""
