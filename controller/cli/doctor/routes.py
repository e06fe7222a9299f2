"""Whether each policy's route is there, taken, and not somebody else's, and whether what serves can. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters.kube.identity import Key
from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.traffic.dialect import Dialect, Standing
from controller.adapters.traffic.dialects import DIALECTS
from controller.adapters.workload.kube_endpoints import Endpoints, of_slices, service_port
from controller.adapters.workload.kube_problem import Problem
from controller.cli.doctor.findings import Finding, failed, ok, skipped
from controller.cli.doctor.setup import Setup
from controller.control.explanations import EXPLANATIONS
from controller.domain.exposure import mirrors, weights
from controller.domain.model import Rollout
from controller.domain.policy import Policy
from controller.domain.release import Backend, BackendKind, Release, RoutedModel
from controller.domain.vocabulary import Phase, Reason
from controller.features import Feature
from controller.policy.route_sections import ADAPTER_KINDS


@dataclass(frozen=True, slots=True)
class Model:
    """A policy in force, and the model's rollouts, newest first."""

    policy: Policy
    rollouts: Sequence[Rollout] = ()

    @property
    def key(self) -> Key:
        """The namespace and name of the object that splits the traffic."""
        name = self.dialect.object_name(self.routed) if self.dialect else self.policy.route.name
        return Key(self.policy.namespace, name)

    @property
    def dialect(self) -> Dialect | None:
        """What understands the route; None for a gateway of one machine."""
        return DIALECTS.get(self.policy.route.kind)

    @property
    def resource(self) -> Resource | None:
        """The kind of objects that the route is one of; None for a gateway of one machine."""
        return self.dialect.resource if self.dialect else None

    @property
    def routed(self) -> RoutedModel:
        """The model at its gateway, with the versions that an open rollout moves traffic between."""
        if self.open is not None:
            return self.open.routed
        policy = self.policy
        return RoutedModel(
            policy.model,
            policy.route,
            policy.namespace,
            steps_permille=weights(policy),
            audience=policy.audience,
            mirrors_permille=mirrors(policy),
        )

    @property
    def open(self) -> Rollout | None:
        """The rollout that moves the route now."""
        return next((each for each in self.rollouts if not each.phase.terminal), None)

    @property
    def serving(self) -> Release | None:
        """The version that the record holds to be serving."""
        for each in self.rollouts:
            if each.phase is Phase.SUCCEEDED:
                return each.release
            if each.stable is not None:
                return each.stable
        return None


def allowed(model: Model, setup: Setup) -> Finding | None:
    """Why the daemon would not act for the policy at all, if so."""
    policy = model.policy
    if not setup.allows(policy.namespace):
        return failed(
            "policy",
            policy.model,
            f"its namespace {policy.namespace} is not one where this daemon may act",
            f"add it to SERINUS_KUBERNETES__NAMESPACES, and bind the daemon's Role in {policy.namespace}",
        )
    feature = model.dialect.feature if model.dialect else None
    if feature is None or (feature is not Feature.CORE and not setup.does(feature)):
        known = "httpRoute" if feature is None else f"httpRoute, or switch on the feature {feature}"
        return failed(
            "policy",
            policy.model,
            f"a route of kind {policy.route.kind} is not served by this daemon",
            f"use {known}: serinus explain route",
        )
    if policy.route.kind in ADAPTER_KINDS and not setup.does(Feature.INFERENCE_POOLS):
        return failed(
            "policy",
            policy.model,
            "the daemon may not look at the pods of the pool, to see which adapters they have loaded",
            f"switch on the feature {Feature.INFERENCE_POOLS}, too",
        )
    return None


@dataclass(frozen=True, slots=True)
class Looked:
    """What is to be said of the route, and the backend that serves on it, where that is known."""

    finding: Finding
    serving: Backend | None = None


def route(model: Model, found: Obj | None, beside: tuple[Obj | None, ...] = ()) -> Looked:
    """The route as it is now; ``beside`` are its dialect's companions."""
    name, key = model.policy.model, f"{model.policy.route.kind} {model.key}"
    if found is None or model.dialect is None:
        return Looked(failed("route", name, f"{key} does not exist", _remedy(Reason.ROUTE_NOT_FOUND, name)))
    standing = Standing(found, beside)
    taken = model.dialect.accepted(standing)
    moving = model.open
    if moving is not None:
        # two backends share the rule while a rollout goes on: only the daemon knows what shall be
        serving = moving.stable.backend if moving.stable else None
        if taken.accepted:
            return Looked(ok("route", name, f"{key} is accepted; {moving.id} moves it"), serving)
        return Looked(failed("route", name, f"{key}: {taken.message}", _describe(model)), serving)
    survey = model.dialect.survey(standing, model.routed, model.serving).survey
    serving = survey.serving.backend if survey.serving else None
    if survey.problem is None:
        who = f", {survey.serving.version} serves" if survey.serving else ", nobody serves yet"
        return Looked(ok("route", name, f"{key} is accepted{who}"), serving)
    fix = _describe(model) if survey.problem is Reason.WAITING_FOR_ROUTE else _remedy(survey.problem, name)
    return Looked(failed("route", name, f"{key}: {survey.message}", fix), serving)


def backend(model: Model, named: Backend, found: Obj | None, slices: Sequence[Obj]) -> Finding:
    """Whether copies of what serves can take requests."""
    part = f"@{named.subset}" if named.subset else ""
    name, key = model.policy.model, f"{named.kind} {model.policy.namespace}/{named.name}{part}"
    if found is None:
        return failed("backend", name, f"{key} does not exist", _remedy(Reason.BACKEND_NOT_FOUND, name))
    if named.kind is not BackendKind.SERVICE or named.subset:
        return skipped("backend", name, f"{key} is there; its pods are not looked at")
    port = service_port(found, named.port)
    if isinstance(port, Problem):
        return failed("backend", name, port.message, _remedy(port.reason or Reason.BACKEND_NOT_FOUND, name))
    endpoints = of_slices(slices, found, port)
    return _copies(model, key, endpoints)


def _copies(model: Model, key: str, endpoints: Endpoints) -> Finding:
    name, namespace = model.policy.model, model.policy.namespace
    if endpoints.ready:
        return ok("backend", name, f"{key}: {len(endpoints.ready)} of {endpoints.known} copies are ready")
    what = f"none of {endpoints.known} copies is ready" if endpoints.known else "no pod is behind it"
    service = key.rpartition("/")[2]
    return failed(
        "backend",
        name,
        f"{key}: {what}",
        f"kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={service}; "
        f"kubectl get pods -n {namespace}",
    )


def _describe(model: Model) -> str:
    assert model.resource is not None, "it was found"
    return f"kubectl describe {model.resource} {model.key.name} -n {model.key.namespace}"


def _remedy(reason: Reason, model: str) -> str:
    return EXPLANATIONS[reason].remedy_for(model)
