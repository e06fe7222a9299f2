"""Telling people: each destination in its own time, never in the way of a rollout."""
