"""``serinus watch`` in a terminal: a tree of one model's rollouts, or a table of all that move.

`feed` asks the daemon, `tree` and `fleet` say what stands on the screen, `layout` makes it fit, and `screen`
draws it. Only `feed` and `screen` do I/O: a picture follows from what was answered, the time and the size.
"""
