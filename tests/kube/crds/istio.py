"""VirtualService and DestinationRule of networking.istio.io/v1, as far as we use them.

What other controllers read of them is kept whatever it is. That weights must not all be 0 is checked by
Istio's own admission, which the tests' server does not have.

Source: the CRDs published with Istio 1.24 (manifests/charts/base).
"""

from typing import Any

from tests.kube.crds.schema import (
    ANYTHING,
    LABELS,
    STRING,
    Schema,
    definition,
    integer,
    listing,
    record,
    text,
)

GROUP = "networking.istio.io"
_LIST = {"type": "array"}
_STATUS = record(
    {
        "conditions": {**_LIST, "items": ANYTHING},
        "observedGeneration": {"type": "integer", "format": "int64"},
        "validationMessages": {**_LIST, "items": ANYTHING},
    }
)


def _plain(items: Schema) -> Schema:
    """A list as Istio's CRDs have it, without a word on how it is merged."""
    found = dict(listing(items))
    del found["x-kubernetes-list-type"]
    return found


def virtual_service() -> dict[str, Any]:
    """Rules for HTTP; those for TLS and TCP are kept as they are."""
    destination = record(
        {"host": STRING, "subset": STRING, "port": record({"number": integer(most=65_535)})}, "host"
    )
    headers = record({"set": LABELS, "add": LABELS, "remove": _plain(STRING)})
    both = record({"request": headers, "response": headers})
    weighted = record(
        {
            "destination": destination,
            "headers": both,
            "weight": {"type": "integer", "format": "int32"},
        },
        "destination",
    )
    rule = record(
        {
            "name": STRING,
            "match": _plain(ANYTHING),
            "route": _plain(weighted),
            "redirect": ANYTHING,
            "delegate": ANYTHING,
            "rewrite": ANYTHING,
            "timeout": STRING,
            "retries": ANYTHING,
            "mirror": ANYTHING,
            "mirrorPercentage": ANYTHING,
            "headers": both,
        }
    )
    spec = record(
        {
            "hosts": _plain(STRING),
            "gateways": _plain(STRING),
            "exportTo": _plain(STRING),
            "http": _plain(rule),
            "tls": _plain(ANYTHING),
            "tcp": _plain(ANYTHING),
        }
    )
    return definition(GROUP, "VirtualService", spec, _STATUS, short=("vs",))


def destination_rule() -> dict[str, Any]:
    """Subsets by labels."""
    subset = record({"name": text(), "labels": LABELS, "trafficPolicy": ANYTHING}, "name")
    spec = record({"host": STRING, "subsets": _plain(subset), "trafficPolicy": ANYTHING}, "host")
    return definition(GROUP, "DestinationRule", spec, _STATUS, short=("dr",))
