"""Samples of both versions' answers, taken beside the passes."""
