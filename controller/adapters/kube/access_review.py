"""Whether a person who is known by name alone may do something in a namespace, by the cluster's own RBAC.

**Source**: authorization.k8s.io/v1, LocalSubjectAccessReview: SubjectAccessReview in one namespace, so that
the right to ask can be given there alone.
"""

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import Key
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import LOCAL_ACCESS_REVIEWS, MODEL_ROLLOUTS
from controller.adapters.kube.untrusted import mapping
from controller.control.steering import Person

PERMISSIONS = (
    Permission(LOCAL_ACCESS_REVIEWS, frozenset({"create"}), Feature.SLACK_CALLBACKS),
    Permission(LOCAL_ACCESS_REVIEWS, frozenset({"create"}), Feature.API),
)


async def is_allowed(client: KubeClient, person: Person, verb: str, key: Key) -> bool:
    """Whether the person may do this to the ModelRollout, or to all of the namespace if it has no name.

    Raises what the client raises.
    """
    attributes = {
        "namespace": key.namespace,
        "verb": verb,
        "group": MODEL_ROLLOUTS.group,
        "version": MODEL_ROLLOUTS.version,
        "resource": MODEL_ROLLOUTS.plural,
        **({"name": key.name} if key.name else {}),
    }
    review = {
        "apiVersion": LOCAL_ACCESS_REVIEWS.api_version,
        "kind": LOCAL_ACCESS_REVIEWS.kind,
        "metadata": {"namespace": key.namespace},
        "spec": {"user": person.name, "groups": list(person.groups), "resourceAttributes": attributes},
    }
    status = mapping((await client.create(LOCAL_ACCESS_REVIEWS, key.namespace, review)).get("status"))
    return status.get("allowed") is True and status.get("denied") is not True
