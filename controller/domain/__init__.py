"""The decisions of Serinus: pure, total, standard library only.

No clock, no I/O, no logging and no ``await`` in here. `planning.plan` says what to look at, `machine.decide`
turns what was seen into the next record and the actions to take. Everything may import this package; it
imports only `controller.errors`.
"""
