"""Whether each engine of a pool has loaded an adapter: what its list of models says, and the sentence. Pure.

A canary's adapter must be on every engine, for the endpoint picker may send a request to any of them; for
stable one is enough, as one copy is of any backend.

**Source**: OpenAI API, ``GET /v1/models``, as vLLM and SGLang answer it: an adapter is listed by its name
beside the base model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.adapters.workload.kube_pools import Engine, PoolPods
from controller.domain.observation import Readiness
from controller.domain.vocabulary import Reason

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why it is not known what an engine has loaded."""

    message: str


Loaded = frozenset[str] | Unknown
"""The names that an engine answers to."""


def loaded(body: bytes) -> Loaded:
    """What an answer to ``GET /v1/models`` lists. Total."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return Unknown("its answer to GET /v1/models is no JSON")
    models = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(models, list):
        return Unknown("its answer to GET /v1/models lists no models")
    names = (each.get("id") for each in models if isinstance(each, dict))
    return frozenset(name for name in names if isinstance(name, str))


def nobody_ready(pods: PoolPods, pool: str) -> Readiness | None:
    """That there is no engine to ask, if there is none."""
    if pods.engines:
        return None
    return Readiness(ready=False, message=f"{pods.ready} of {pods.known} pods of InferencePool {pool} ready")


def adapter_readiness(
    adapter: str, engines: Sequence[Engine], found: Mapping[str, Loaded], *, everywhere: bool
) -> Readiness:
    """The verdict on an adapter; ``found`` is by endpoint, and of every engine."""
    listing = [each for each in engines if _lists(found[each.endpoint], adapter)]
    kind = "pods" if all(":" not in each.name for each in engines) else "ports of pods"
    counted = f"{len(listing)} of {len(engines)} {kind} list the adapter {adapter}"
    endpoints = tuple(each.endpoint for each in listing)
    if len(listing) == len(engines) or (listing and not everywhere):
        return Readiness(ready=True, message=counted, endpoints=endpoints)
    answers = [(each.name, found[each.endpoint]) for each in engines if each not in listing]
    without = [name for name, answer in answers if not isinstance(answer, Unknown)]
    silent = [f"{name}: {answer.message}" for name, answer in answers if isinstance(answer, Unknown)]
    parts = [f"{_some(without)} {'does' if len(without) == 1 else 'do'} not"] if without else []
    message = f"{counted}: {'; '.join([*parts, *([_some(silent)] if silent else [])])}"
    if without:
        message += "; load it there: POST /v1/load_lora_adapter"
    problem = Reason.ADAPTER_MISSING if without else None
    return Readiness(ready=False, message=message, endpoints=endpoints, problem=problem)


def _lists(answer: Loaded, adapter: str) -> bool:
    return not isinstance(answer, Unknown) and adapter in answer


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
