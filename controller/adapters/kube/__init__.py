"""The Kubernetes API: one client, caches that follow it, and the Lease that says who may write.

The adapters of the store, of the traffic and of the workloads build on this package. The library `kubernetes`
is imported in `controller.adapters.kube.connection` only.
"""
