"""``serinus doctor``: looks at everything that a daemon needs, and says for each fault how to mend it.

What is found is judged by pure functions; only `cluster` and `machine` look. Nothing is changed.
"""
