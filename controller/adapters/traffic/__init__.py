"""Traffic adapters: one kind of gateway each, behind `controller.ports.TrafficRouter`.

Only the composition root names the classes in here.
"""
