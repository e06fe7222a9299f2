"""The judge on simulated requests: our rules and the peers' on the same requests, in tables with seeds.

`arrivals` makes requests, `versions` says what becomes of them, `lane` routes them and scrapes the counters,
`feed` turns scrapes into our blocks, `queries` into the peers' numbers. `serinus` drives the real rollout
machine; `flagger`, `argo` and `kayenta` are rules as their documents describe them; `sprt` knows the truth.
`battery` repeats `scenarios` on all cores and `tables` prints them. Nothing in `controller` may import this.
"""
