"""Everything that Serinus does in a cluster: the permissions of every adapter that talks to the API.

A test walks the adapters and finds each ``PERMISSIONS`` here.
"""

from controller.adapters.kube import access_review, discovery, doorman, elector, pauses
from controller.adapters.kube.permissions import Permission
from controller.adapters.notify import events
from controller.adapters.store import kubernetes as store
from controller.adapters.traffic import (
    ai_gateway,
    gateway_api,
    gateway_classes,
    knative,
    kserve,
    llm_service,
    model_rewrite,
    object_router,
    virtual_service,
)
from controller.adapters.workload import kube_releasing
from controller.adapters.workload import kubernetes as workload

PERMISSIONS: tuple[Permission, ...] = (
    *elector.PERMISSIONS,
    *pauses.PERMISSIONS,
    *store.PERMISSIONS,
    *gateway_api.PERMISSIONS,
    *virtual_service.PERMISSIONS,
    *ai_gateway.PERMISSIONS,
    *knative.PERMISSIONS,
    *gateway_classes.PERMISSIONS,
    *model_rewrite.PERMISSIONS,
    *object_router.PERMISSIONS,
    *kserve.PERMISSIONS,
    *llm_service.PERMISSIONS,
    *workload.PERMISSIONS,
    *discovery.PERMISSIONS,
    *events.PERMISSIONS,
    *access_review.PERMISSIONS,
    *doorman.PERMISSIONS,
    *kube_releasing.PERMISSIONS,
)
