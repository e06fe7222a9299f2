"""The command line's way through a cluster's API, under the caller's own kubeconfig and RBAC.

Nothing here speaks to the daemon: a release is a ModelRollout that is created, a person's word is a change of
its ``spec.request``, and what people read is what the daemon wrote into the status.
"""
