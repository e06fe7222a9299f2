"""The words in which the CRDs of this folder are written: structural OpenAPI v3 schemas, as JSON objects."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
LABELS: Schema = {"type": "object", "additionalProperties": STRING}
PORT: Schema = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65_535}
NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 253}
NAMESPACE: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 63,
    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
}


def text(default: str | None = None, *, one_of: Sequence[str] = (), longest: int | None = None) -> Schema:
    """A string, perhaps one of a few, perhaps with a default."""
    schema: Schema = {"type": "string"}
    if one_of:
        schema["enum"] = list(one_of)
    if longest is not None:
        schema["maxLength"] = longest
    return schema if default is None else {**schema, "default": default}


def integer(default: int | None = None, *, least: int = 0, most: int | None = None) -> Schema:
    """A bounded int32."""
    schema: Schema = {"type": "integer", "format": "int32", "minimum": least}
    if most is not None:
        schema["maximum"] = most
    return schema if default is None else {**schema, "default": default}


def record(fields: Mapping[str, Schema], *required: str, default: Any = None) -> Schema:
    """An object whose other fields are pruned."""
    schema: Schema = {"type": "object", "properties": dict(fields)}
    if required:
        schema["required"] = list(required)
    return schema if default is None else {**schema, "default": default}


def listing(
    items: Schema,
    *,
    least: int | None = None,
    most: int | None = None,
    keys: Sequence[str] = (),
    default: Any = None,
) -> Schema:
    """A list: atomic, or a map by the keys."""
    schema: Schema = {"type": "array", "items": items, "x-kubernetes-list-type": "atomic"}
    if keys:
        schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    if least is not None:
        schema["minItems"] = least
    if most is not None:
        schema["maxItems"] = most
    return schema if default is None else {**schema, "default": default}


CONDITION: Schema = record(
    {
        "type": text(longest=316),
        "status": text(one_of=("True", "False", "Unknown")),
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": text(longest=32_768),
    },
    "type",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
)


def conditions(*, default: Any = None) -> Schema:
    """metav1.Condition, one of each type, eight at most."""
    return listing(CONDITION, most=8, keys=("type",), default=default)


def definition(
    group: str,
    kind: str,
    spec: Schema,
    status: Schema,
    *,
    short: Sequence[str] = (),
    scale: Mapping[str, str] | None = None,
    version: str = "v1",
    also: Sequence[str] = (),
    plural: str = "",
) -> dict[str, Any]:
    """The CRD of one namespaced kind, with a status subresource.

    It is stored as ``version``, and served under the names of ``also`` too, with the same schema.
    """
    plural = plural or f"{kind.lower()}s"
    subresources: dict[str, Any] = {"status": {}}
    if scale:
        subresources["scale"] = dict(scale)
    whole = record({"apiVersion": STRING, "kind": STRING, "metadata": {"type": "object"}}, "spec")
    whole["properties"] |= {"spec": spec, "status": status}
    versions = [
        {
            "name": name,
            "served": True,
            "storage": name == version,
            "subresources": subresources,
            "schema": {"openAPIV3Schema": whole},
        }
        for name in (version, *also)
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # groups below k8s.io are protected: without this word the server does not establish them
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": list(short),
            },
            "versions": versions,
        },
    }
