"""What steers a cluster's rollouts: a new object, or a word in one. The daemon does the rest.

**Invariant**: what is written is a new ModelRollout, or ``spec.request`` of one, and nothing else.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import Forbidden, NotFound, Rejected
from controller.adapters.kube.records import Held, meant
from controller.adapters.kube.resources import Resource
from controller.adapters.kube.speaking import Patience as Waiting
from controller.adapters.kube.speaking import spoken
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.kube.words import Word
from controller.adapters.workload.kube_ordering import created, outcome_of, taken_up
from controller.adapters.workload.kube_orders import differences, model_rollout
from controller.cli.cluster.access import Access
from controller.cli.cluster.reader import ClusterReader
from controller.control.errors import InvalidRequest, Refused
from controller.control.fleet import FleetView
from controller.control.interface import Order
from controller.control.views import OutcomeView
from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from controller.errors import TransientError

_REVIEWS = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the daemon's answer is waited for."""

    answer_seconds: float = 5.0
    poll_seconds: float = 0.2
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    @property
    def waiting(self) -> Waiting:
        """The same for a question that is asked on the connection's own loop, where nothing else runs."""

        async def sleep(seconds: float) -> None:
            self.sleep(seconds)

        return Waiting(self.answer_seconds, self.poll_seconds, sleep, self.monotonic)


class ClusterClient(ClusterReader):
    """See `Control`. Every call raises a `ControlError`."""

    def __init__(self, access: Access, patience: Patience = Patience()) -> None:
        super().__init__(access)
        self._patience = patience

    def deploy(self, order: Order) -> OutcomeView:
        """Create the ModelRollout, and say what the daemon makes of it, if one answers in time.

        The same order again is answered as the first was. Raises `Refused` for another order of that name.
        """
        if self._access.namespace is None:
            raise InvalidRequest(
                "a model is deployed into one namespace, not into all",
                f"serinus deploy {order.model} {order.version} -n NAMESPACE",
            )
        wanted = model_rollout(order, self._access.home)
        found = self._access.ask(lambda client: created(client, wanted))
        if different := differences(wanted, found.obj):
            raise _taken(found, different)
        held = self._access.ask(lambda client: taken_up(client, found, self._patience.waiting))
        return outcome_of(held, self._shown(held))

    def command(
        self, target: str, kind: CommandKind, note: str = "", asking: int | None = None
    ) -> OutcomeView:
        """Write a person's word into the model's newest open rollout, or the one that was named.

        Returns the daemon's answer. Raises `Refused` when it does not follow, `Unavailable` when none comes.
        """
        found = meant(self._all(), target)
        held = next((each for each in found if not each.phase.terminal), found[0])
        word = Word(str(uuid.uuid4()), kind, self._access.ask(self._caller), note, asking)
        obj, answer = self._access.ask(lambda client: spoken(client, held.obj, word, self._patience.waiting))
        after = Held(obj)
        if not answer.followed:
            raise _refused(after, answer.message)
        return OutcomeView(
            rollout=after.rollout_id, operation=kind, phase=after.phase, message=answer.message
        )

    def pause_all(self, note: str = "") -> FleetView:
        """Write the pause into the home of each daemon that looks after the namespace."""
        actor = self._access.ask(self._caller)
        return self._fleet(lambda control: control.pause(actor, note))

    def resume_all(self) -> FleetView:
        """Take it away there."""
        actor = self._access.ask(self._caller)
        return self._fleet(lambda control: control.resume(actor))

    async def _caller(self, client: KubeClient) -> str:
        """Who asks, by the API server's word where it tells (Kubernetes 1.28 and later)."""
        body = {"apiVersion": _REVIEWS.api_version, "kind": _REVIEWS.kind, "metadata": {}}
        try:
            review = await client.create(_REVIEWS, None, body)
        except (NotFound, Forbidden, Rejected, TransientError):
            return self._access.user
        info = mapping(mapping(review.get("status")).get("userInfo"))
        return text(info.get("username")) or self._access.user


def _taken(held: Held, different: list[str]) -> Refused:
    name, namespace = held.key.name, held.key.namespace
    look = f"kubectl get modelrollout {name} -n {namespace} -o yaml"
    return Refused(
        f"a ModelRollout {name} is in {namespace} already, with another {' and '.join(different)}: "
        "what it asks for cannot be changed, so use another VERSION",
        f"serinus retry {held.rollout_id}   (or {look})" if _can_be_retried(held) else look,
    )


def _refused(held: Held, message: str) -> Refused:
    following = "retry" if _can_be_retried(held) else "status"
    return Refused(f"{held.rollout_id}: {message}", f"serinus {following} {held.rollout_id}")


def _can_be_retried(held: Held) -> bool:
    return held.phase.terminal and held.phase is not Phase.SUCCEEDED
