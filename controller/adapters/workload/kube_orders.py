"""From what a person typed to the ModelRollout that says it. Pure."""

import re

from controller.adapters.kube.modelrollout import parse_spec
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.untrusted import mapping
from controller.adapters.workload.kube_names import copy_name
from controller.control.errors import InvalidRequest
from controller.control.interface import Order
from controller.policy.quantities import shown

_BACKEND = re.compile(
    r"(?:(?P<kind>[^/:@]+)/)?(?P<name>[^/:@]+)(?:@(?P<subset>[^/:@]+))?(?::(?P<port>[0-9]{1,5}))?"
)
_ADAPTER = re.compile(r"(?:lora|loraadapter)(?P<sign>[/:])(?P<name>.+)", re.IGNORECASE)
_KINDS = {
    "service": "Service",
    "svc": "Service",
    "inferencepool": "InferencePool",
    "pool": "InferencePool",
    "llminferenceservice": "LLMInferenceService",
    "llmisvc": "LLMInferenceService",
    "aiservicebackend": "AIServiceBackend",
    "revision": "Revision",
}


def model_rollout(order: Order, namespace: str) -> Obj:
    """The object to create, named like the workload that would be created for it.

    Raises `InvalidRequest` naming the first fault.
    """
    if order.endpoints:
        raise InvalidRequest(
            "--endpoint goes to the daemon of one machine; a cluster finds the copies by the backend",
            f"serinus deploy {order.model} {order.version} --image IMAGE   (or --backend, --storage-uri)",
        )
    spec: Obj = {"model": order.model, "version": order.version}
    if order.backend is not None:
        spec["backend"] = _backend(order.backend)
    if order.storage_uri is not None:
        spec["storageUri"] = order.storage_uri
    if order.image is not None:
        spec["image"] = order.image
    if overrides := _overrides(order):
        spec["overrides"] = overrides
    obj: Obj = {
        "apiVersion": MODEL_ROLLOUTS.api_version,
        "kind": MODEL_ROLLOUTS.kind,
        "metadata": {"name": copy_name(order.model, order.version), "namespace": namespace},
        "spec": spec,
    }
    parsed = parse_spec(obj)
    if isinstance(parsed, list):
        raise InvalidRequest(f"the release is not valid: {parsed[0]}", "serinus deploy --help")
    return obj


def differences(wanted: Obj, found: Obj) -> list[str]:
    """In which fields of the spec two objects ask for something else; a person's word is none of them."""
    ours, theirs = mapping(wanted.get("spec")), mapping(found.get("spec"))
    names = sorted((set(ours) | set(theirs)) - {"request"})
    return [name for name in names if _plain(ours.get(name)) != _plain(theirs.get(name))]


def _plain(value: object) -> object:
    """Without what says nothing: the default kind of a backend, empty lists."""
    if not isinstance(value, dict):
        return value
    kept = {key: each for key, each in value.items() if each not in ([], None)}
    return {key: each for key, each in kept.items() if (key, each) != ("kind", "Service")} or None


def _backend(typed: str) -> Obj:
    adapter = _ADAPTER.fullmatch(typed)
    if adapter is not None and adapter["sign"] == "/":
        return {"kind": "LoraAdapter", "name": adapter["name"]}
    if adapter is not None and not adapter["name"].isdigit():
        raise InvalidRequest(f"an adapter is written lora/NAME: --backend lora/{adapter['name']}")
    match = _BACKEND.fullmatch(typed)
    kind = _KINDS.get((match["kind"] or "service").lower()) if match else None
    if match is None or kind is None:
        raise InvalidRequest(
            f"the backend {shown(typed)} is not [KIND/]NAME[@SUBSET][:PORT], "
            "such as fraud-v7:8080, InferencePool/llama-v7, Revision/llama-00007 or lora/food-review-v2"
        )
    port = {"port": int(match["port"])} if match["port"] else {}
    subset = {"subset": match["subset"]} if match["subset"] else {}
    return {"kind": kind, "name": match["name"], **port, **subset}


def _overrides(order: Order) -> Obj:
    """Empty when nothing differs but the image."""
    overrides: Obj = {}
    if order.container is not None:
        overrides["container"] = order.container
    if order.args is not None:
        overrides["args"] = list(order.args)
    if order.env:
        overrides["env"] = [_variable(each) for each in order.env]
    return overrides


def _variable(typed: str) -> Obj:
    name, equals, value = typed.partition("=")
    if not equals:
        raise InvalidRequest(f"the variable {shown(typed)} is not NAME=VALUE")
    return {"name": name, "value": value}
