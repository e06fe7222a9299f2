"""What a router must be told of the routes that are followed."""

from datetime import timedelta
from typing import Protocol

from controller.adapters.kube.resources import Obj
from controller.errors import ControllerError


class Routes(Protocol):
    """The routes as they were last heard of, whole: with the record of who set which field."""

    def get(self, namespace: str, name: str) -> Obj | None:
        """The route; None if it is not there, or not followed."""
        ...

    def put(self, obj: Obj) -> None:
        """Take the answer to a write of our own."""
        ...

    @property
    def age(self) -> timedelta:
        """How long ago the server last said what there is."""
        ...

    @property
    def failure(self) -> ControllerError | None:
        """Why they cannot be followed now; None when they can."""
        ...
