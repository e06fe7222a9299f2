"""What a ModelRollout may say of each kind of backend: for the parser, and as schema for a server. Pure.

The name of an object is looked up at the API server; that of an adapter is only ever compared, and may hold
what engines allow.
"""

import re

from controller.adapters.kube.resources import Obj

_OBJECT = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_ADAPTER = "LoraAdapter"
_PORT = "only a Service has a port here: remove port"
_SUBSET = "a subset is of a Service: say its name, or remove subset"
_BY_LABELS = "only a Service or an InferencePool is found by its labels: add name"
_NAME = "only a LoraAdapter can have that name: use lower-case letters, digits, - and dots"

BACKEND_RULES = (
    ("!has(self.port) || !has(self.kind) || self.kind == 'Service'", _PORT),
    ("!has(self.subset) || (has(self.name) && (!has(self.kind) || self.kind == 'Service'))", _SUBSET),
    ("has(self.name) || !has(self.kind) || self.kind in ['Service', 'InferencePool']", _BY_LABELS),
)
"""CEL expressions, each with its sentence; servers before 1.25 drop them."""


def name_forms() -> list[Obj]:
    """The alternatives of names by kind, for any server: an adapter has one, another kind an object's."""
    adapter: Obj = {"properties": {"kind": {"enum": [_ADAPTER]}}, "required": ["kind"]}
    named = {"properties": {"name": {"pattern": f"^{_OBJECT}$"}}, "not": adapter}
    return [{**adapter, "required": ["kind", "name"]}, named]


def backend_fault(kind: str, name: str | None, port: int | None, subset: str | None) -> str:
    """What is wrong with a backend; empty if nothing is."""
    service = kind == "Service"
    if not service and port is not None:
        return _PORT
    if subset is not None and not (service and name):
        return _SUBSET
    if name is None:
        return "" if kind in ("Service", "InferencePool") else _BY_LABELS
    return "" if kind == _ADAPTER or re.fullmatch(_OBJECT, name) else _NAME
