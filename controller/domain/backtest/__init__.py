"""What a policy would have done on traffic that there was: stable's past, replayed through the real machine.

`past` is the traffic, `dealing` gives the canary its share of it, `regressions` make the canary worse,
`replay` runs one rollout over it and `summary` counts what became of many. All of it is pure and seeded.
"""
