"""The endpoints that change something: a person's word to a rollout, and a new version.

**Invariant**: who may not see a rollout is answered as if it did not exist; who may see it and not say the
word is told so. The name in the log is the caller's own, as the doorman knows it, with nothing added: who
also uses the command line stays one person.
"""

import hashlib

import structlog
from fastapi import APIRouter
from starlette.responses import Response

from controller.control.doors import DEPLOY, MACHINE
from controller.control.errors import ControlError, InvalidRequest, NotPermitted
from controller.control.steering import Errand, Person
from controller.control.views import OutcomeView
from controller.domain.model import CommandKind
from controller.policy.quantities import shown
from controller.web.documents import ActionRequest, DeployRequest
from controller.web.parts import Here, ModelName, Namespace, Parts, RolloutId, Seen, Sight, answer, placed

log = structlog.get_logger(__name__)

router = APIRouter(tags=["acting"])
_DIGITS = 40


@router.post("/rollouts/{rollout}/actions", response_model=OutcomeView)
async def act(
    parts: Here, sight: Seen, rollout: RolloutId, request: ActionRequest, namespace: Namespace = None
) -> Response:
    """Say a word to exactly this rollout: `serinus promote`, `abort`, `approve` and the others."""
    return answer(await said(parts, sight, placed(namespace, rollout), request))


async def said(parts: Parts, sight: Sight, rollout: str, request: ActionRequest) -> OutcomeView:
    """What a word led to, said by the caller to a rollout that they may see. Raises as `Steering` does."""
    target, person = await sight.readings.target(rollout), sight.caller.person
    if not await parts.admission.may(person, request.kind, target.namespace, target.rollout):
        raise _forbidden(person, request.kind, f"{rollout}: ask for the verb {request.kind} on it")
    kind = CommandKind(request.kind)
    request_id = scoped(request.request_id, person, target.namespace, target.rollout, kind)
    errand = Errand(target, kind, person, request_id, "", request.reason, request.asking)
    known = log.bind(rollout=target.rollout, word=kind, actor=errand.actor)
    try:
        outcome = await parts.steering.carry_out(errand)
    except ControlError as error:
        known.info("web_word_refused", error=error.message)
        raise
    known.info("web_word_followed", message=outcome.message)
    return outcome


@router.post("/models/{model}/rollouts", response_model=OutcomeView, status_code=201)
async def deploy(
    parts: Here, sight: Seen, model: ModelName, request: DeployRequest, namespace: Namespace = None
) -> Response:
    """Begin the rollout of a version: `serinus deploy`."""
    where, person = _where(parts, sight, model, namespace), sight.caller.person
    if not await parts.admission.may(person, DEPLOY, where):
        raise _forbidden(person, "deploy", f"there: ask for the verb {DEPLOY} on ModelRollouts")
    request_id = scoped(request.request_id, person, where, model, request.version)
    known = log.bind(model=model, version=request.version, actor=person.name)
    try:
        outcome = await parts.releasing.release(request.order(model), person, where or None, request_id)
    except ControlError as error:
        known.info("web_deploy_refused", error=error.message)
        raise
    known.info("web_deploy_followed", rollout=outcome.rollout)
    return answer(outcome, 201)


def scoped(request_id: str, person: Person, *about: str) -> str:
    """An id that is one person's for one thing: nobody can use up an id that another will send."""
    digest = hashlib.sha256("\0".join((person.name, *about, request_id)).encode()).hexdigest()
    return f"api-{digest[:_DIGITS]}"


def _where(parts: Parts, sight: Sight, model: str, namespace: str | None) -> str:
    """The namespace that is meant, by what the caller may know. Raises `InvalidRequest`."""
    if namespace is not None:
        return namespace
    policy = parts.shelf.current().get(model)
    place = MACHINE if policy is None else parts.library.place(policy)
    if place in sight.namespaces:
        return place
    raise InvalidRequest(
        f"no policy that you may read is for the model {shown(model)}: say in which namespace it is"
    )


def _forbidden(person: Person, word: str, rest: str) -> NotPermitted:
    log.warning("web_not_permitted", actor=person.name, word=word)
    return NotPermitted(f"{person.name} may not {word} {rest}")
