"""The kinds of Flagger that `serinus convert` reads, as definitions that take any fields.

**Source**: flagger.app/v1beta1, Canary and MetricTemplate.
"""

from typing import Any


def flagger() -> list[dict[str, Any]]:
    """The definitions of Canary and MetricTemplate."""
    return [_definition("Canary", "canaries"), _definition("MetricTemplate", "metrictemplates")]


def _definition(kind: str, plural: str) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": anything}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.flagger.app"},
        "spec": {
            "group": "flagger.app",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": "v1beta1", "served": True, "storage": True, "schema": schema}],
        },
    }
