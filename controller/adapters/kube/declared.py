"""Everything that Serinus does in a cluster: the permissions of every adapter that talks to the API.

A test walks the adapters and finds each ``PERMISSIONS`` here.
"""

from controller.adapters.kube import discovery
from controller.adapters.kube.permissions import Permission
from controller.adapters.notify import events

PERMISSIONS: tuple[Permission, ...] = (*discovery.PERMISSIONS, *events.PERMISSIONS)
