"""What pytest finds by name in every folder: here once, so that all folders share one API server."""

from tests.kube.fixtures import apiserver, namespace

__all__ = ["apiserver", "namespace"]
