"""What can go wrong between us and the API server, in the terms of `controller.errors`.

    TransientError
    ├── Conflict        (controller.errors) somebody else wrote first, or it exists already
    ├── Expired         the history that a watch or a page asked for is gone: list again
    └── Deposed         we may no longer be the leader: nothing was sent
    TargetError
    ├── NotFound        the object is gone
    │   └── NotServed   the API server does not know the kind: its CRD is not installed
    ├── Forbidden       RBAC does not allow it
    └── Rejected        the API server, or an admission check of the cluster, refuses the object
    LeaseLost           (ControllerError) this process must not lead again: it ends

After a TransientError of a write it may have been applied all the same: whoever tries again reads first.
"""

from controller.errors import ControllerError, PermissionDenied, TargetError, TransientError


class Expired(TransientError):
    """HTTP 410: the resourceVersion asked for is too old."""


class Deposed(TransientError):
    """The lease could be over, so that somebody else may lead: the write was not sent."""


class NotFound(TargetError):
    """There is no such object."""


class NotServed(NotFound):
    """The API server has no such kind of objects."""


class Forbidden(PermissionDenied):
    """The caller's RBAC lacks a rule; the message holds the rule to add."""


class Rejected(TargetError):
    """The object is invalid to the API server, or an admission check of the cluster refused it."""


class LeaseLost(ControllerError):
    """Somebody else leads, or could: the process must end, and begin anew as a candidate."""
