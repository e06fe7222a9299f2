"""Service and Revision of serving.knative.dev/v1, as far as we use them.

That percents add up to 100, that tags are there once, and what an entry without latestRevision gets, is
checked and filled in by Knative's own admission, which the tests' server does not have.

Source: the CRDs published with Knative Serving 1.19.
"""

from typing import Any

from tests.kube.crds.schema import (
    ANYTHING,
    BOOLEAN,
    STRING,
    Schema,
    definition,
    record,
)

GROUP = "serving.knative.dev"
_PERCENT: Schema = {"type": "integer", "format": "int64"}
_GENERATION: Schema = {"type": "integer", "format": "int64"}
_TARGET = record(
    {
        "configurationName": STRING,
        "latestRevision": BOOLEAN,
        "percent": _PERCENT,
        "revisionName": STRING,
        "tag": STRING,
        "url": STRING,
    }
)


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_CONDITIONS = _list(
    record(
        {
            "type": STRING,
            "status": STRING,
            "reason": STRING,
            "message": STRING,
            "severity": STRING,
            "lastTransitionTime": STRING,
        },
        "type",
        "status",
    )
)


def knative_service() -> dict[str, Any]:
    """A template, and where requests go."""
    spec = record({"template": ANYTHING, "traffic": _list(_TARGET)})
    status = record(
        {
            "conditions": _CONDITIONS,
            "observedGeneration": _GENERATION,
            "latestCreatedRevisionName": STRING,
            "latestReadyRevisionName": STRING,
            "traffic": _list(_TARGET),
            "url": STRING,
        }
    )
    return definition(GROUP, "Service", spec, status, short=("kservice", "ksvc"))


def revision() -> dict[str, Any]:
    """One version of a Service's template."""
    status = record({"conditions": _CONDITIONS, "observedGeneration": _GENERATION})
    return definition(GROUP, "Revision", ANYTHING, status, short=("rev",))
