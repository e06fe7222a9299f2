"""Who bears which token in a cluster, and what the cluster's own RBAC says that they may.

**Invariant**: only a token that was made for us counts. One for the API server, or for another service, would
let that service act here in the names of all who ever spoke to it.

**Source**: authentication.k8s.io/v1, TokenReview: who sends ``audiences`` must find one of them in the
answer, for an API server that knows none of them authenticates the token all the same.
"""

from controller.adapters.kube.access_review import is_allowed
from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import Key, attempt_of
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import TOKEN_REVIEWS
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.control.steering import Person

PERMISSIONS = (Permission(TOKEN_REVIEWS, frozenset({"create"}), Feature.API),)


class ClusterDoorman:
    """Implements `Doorman`. ``client`` should be nobody else's: strangers make it ask.

    It is bounded by the client's calls in flight and their time.
    """

    def __init__(self, client: KubeClient, audience: str) -> None:
        self._client = client
        self._audience = audience

    async def person(self, token: str) -> Person | None:
        """Who bears the token, by the API server's word."""
        review = {
            "apiVersion": TOKEN_REVIEWS.api_version,
            "kind": TOKEN_REVIEWS.kind,
            "metadata": {},
            "spec": {"token": token, "audiences": [self._audience]},
        }
        status = mapping((await self._client.create(TOKEN_REVIEWS, None, review)).get("status"))
        if status.get("authenticated") is not True or self._audience not in sequence(status.get("audiences")):
            return None
        user = mapping(status.get("user"))
        name = text(user.get("username"))
        groups = tuple(each for each in sequence(user.get("groups")) if isinstance(each, str))
        return Person(name, groups) if name else None

    async def may(self, person: Person, verb: str, namespace: str, name: str = "") -> bool:
        """Whether RBAC allows it."""
        obj = attempt_of(name)[0] if name else ""
        return await is_allowed(self._client, person, verb, Key(namespace, obj))
