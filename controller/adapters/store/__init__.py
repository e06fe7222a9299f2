"""Durable records: rollouts, and the decision log of each.

A commit replaces the record and appends one entry, together or not at all. Only `controller.app` and the
tests import from here.
"""
