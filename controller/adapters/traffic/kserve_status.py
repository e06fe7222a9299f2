"""Who wrote the fields of an object that are ours to write, other than we. Pure.

**Source**: Kubernetes, ObjectMeta.managedFields: who changed a field last owns it.
"""

from collections.abc import Collection

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.gateway_status import Writer


def last_writer(obj: Obj, ours: str, fields: Collection[str]) -> str:
    """``(NAME wrote last, WHEN)``, with a space before it; empty where nobody else did.

    ``fields`` are those of the spec, as managedFields name them: ``f:predictor``.
    """
    found: list[Writer] = []
    for entry in map(mapping, sequence(mapping(obj.get("metadata")).get("managedFields"))):
        spec = mapping(mapping(entry.get("fieldsV1")).get("f:spec"))
        manager = "".join(letter for letter in text(entry.get("manager"))[:80] if letter.isprintable())
        if manager and manager != ours and any(name in spec for name in fields):
            found.append(Writer(manager, text(entry.get("time"))[:30]))
    last = max(found, key=lambda writer: writer.at, default=None)
    return f" ({last.shown})" if last else ""
