"""Benchmarks: each prints its figures with the machine's size; none asserts a time."""
