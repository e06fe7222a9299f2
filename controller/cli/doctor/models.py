"""Looks at the policies of a cluster's daemon, and at the route and the backend of each."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import NotServed
from controller.adapters.kube.records import Held, newest_first
from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    MODEL_ROLLOUTS,
    SERVICES,
    STATEFUL_SETS,
    Obj,
    Resource,
)
from controller.adapters.registry import capabilities
from controller.adapters.traffic.companions import companion_of
from controller.adapters.workload.kube_grace import grace_cautions
from controller.adapters.workload.kube_labels import SERVICE_OF_SLICE, pods_of
from controller.adapters.workload.kube_pools import pool_ref
from controller.adapters.workload.kube_scalable import Scalable, behind
from controller.adapters.workload.kube_view import resource_of
from controller.cli.doctor import routes
from controller.cli.doctor.abilities import abilities
from controller.cli.doctor.findings import failed, ok, skipped, warned
from controller.cli.doctor.looking import Findings, Wishes, seen
from controller.cli.doctor.policies import Rules, of_config_maps, of_folder
from controller.cli.doctor.setup import Setup
from controller.cli.doctor.sources import missing
from controller.domain.release import Backend, BackendKind
from controller.domain.wording import duration
from controller.errors import ControllerError
from controller.features import Feature

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
_MAKERS = ((DEPLOYMENTS, Feature.WORKLOADS), (STATEFUL_SETS, Feature.STATEFUL_SETS))
_HOW = "serinus doctor --policies FOLDER"


@dataclass(frozen=True, slots=True)
class ModelsDoctor:
    """``told`` is what the daemon was told."""

    client: KubeClient
    wishes: Wishes
    told: Setup

    async def examine(self) -> Findings:
        """The policy files first, then each model's route and backend."""
        rules = await self._rules()
        models = [routes.Model(policy) for policy in rules.policies]
        known = self.told.servers
        found = [*rules.findings, *(() if known is None else missing(rules.policies, known))]
        served: list[tuple[routes.Model, Resource]] = []
        for model in models:
            refused = routes.allowed(model, self.told)
            if refused is not None:
                found.append(refused)
            elif model.resource is not None:
                served.append((model, model.resource))
                found += filter(None, [abilities(model.policy, capabilities())])
        held = await self._held({model.policy.namespace for model, _ in served})
        looks = [self._model(model, resource, held) for model, resource in served]
        return found + [finding for each in await asyncio.gather(*looks) for finding in each]

    async def _rules(self) -> Rules:
        if self.wishes.policies is not None:
            return of_folder(self.wishes.policies)
        if not self.told.policies:
            return Rules((), (skipped("policy", "its folder", "not known from here", _HOW),))
        home, names = self.told.lease.namespace, self.told.policies
        try:
            found = [await self.client.get(CONFIG_MAPS, home, name) for name in names]
        except ControllerError as error:
            return Rules((), (skipped("policy", home, f"you may not look: {error}", _HOW),))
        present = [each for each in found if each is not None]
        return await asyncio.to_thread(of_config_maps, present, home, names)

    async def _held(self, namespaces: set[str]) -> Mapping[str, Sequence[Held]]:
        """The rollouts by namespace: they say what serves. Without them the routes alone are judged."""
        held: dict[str, list[Held]] = {}
        for namespace in sorted(namespaces):
            try:
                objects, _ = await self.client.list(MODEL_ROLLOUTS, namespace)
            except ControllerError:
                continue  # it is told of under another check
            held[namespace] = newest_first(map(Held, objects))
        return held

    async def _model(
        self, model: routes.Model, resource: Resource, held: Mapping[str, Sequence[Held]]
    ) -> Findings:
        policy = model.policy
        there = held.get(policy.namespace, ())
        rollouts = [each.rollout for each in there if each.model == policy.model and each.rollout]
        known = routes.Model(policy, rollouts)
        return await seen("route", policy.model, lambda: self._route(known, resource))

    async def _route(self, model: routes.Model, resource: Resource) -> Findings:
        try:
            found = await self.client.get(resource, model.key.namespace, model.key.name)
        except NotServed as error:
            how = f"install the CRDs of {resource.group}"
            return [failed("route", model.policy.model, str(error), how)]
        beside = () if found is None else await self._beside(model, found)
        looked = routes.route(model, found, beside)
        named = looked.serving
        if named is not None and named.kind is BackendKind.LORA_ADAPTER:
            named = Backend(BackendKind.INFERENCE_POOL, pool_ref(found or {})[1])
        kind = None if named is None else resource_of(named)
        if named is None or kind is None:
            return [looked.finding]
        return [
            looked.finding,
            *await seen("backend", model.policy.model, lambda: self._backend(model, named, kind)),
        ]

    async def _beside(self, model: routes.Model, found: Obj) -> tuple[Obj | None, ...]:
        """What the dialect wants looked at to know whether the route is in force."""
        wanted = model.dialect.companions(found, model.routed) if model.dialect else ()
        return tuple([await companion_of(self.client, model.key.namespace, each) for each in wanted])

    async def _backend(self, model: routes.Model, named: Backend, kind: Resource) -> Findings:
        namespace = model.policy.namespace
        if named.kind is not BackendKind.SERVICE or named.subset:
            other = await self.client.get(kind, namespace, named.name)
            return [routes.backend(model, named, other, ())]
        service = await self.client.get(SERVICES, namespace, named.name)
        slices: Sequence[Obj] = ()
        if service is not None:
            labels = f"{SERVICE_OF_SLICE}={named.name}"
            slices, _ = await self.client.list(ENDPOINT_SLICES, namespace, labels=labels)
        found = [routes.backend(model, named, service, slices)]
        if service is not None and self.told.does(Feature.WORKLOADS):
            found += await seen("grace", model.policy.model, lambda: self._grace(model, service))
        return found

    async def _grace(self, model: routes.Model, service: Obj) -> Findings:
        """Whether the pods that serve, of which clones are made, are given the policy's drain time."""
        policy, found = model.policy, []
        for resource, feature in _MAKERS:
            if self.told.does(feature):
                listed, _ = await self.client.list(resource, policy.namespace)
                found += [Scalable(resource, each) for each in listed]
        makers = behind(pods_of(service), found)
        short = grace_cautions(makers, policy.workload.drain)
        if makers and not short:
            given = f"its pods are given {duration(policy.workload.drain)} or more to end requests"
            return [ok("grace", policy.model, given)]
        fix = f"raise it in the workload, or lower workload.drain in the policy of {policy.model}"
        return [warned("grace", policy.model, sentence, fix) for sentence in short]
