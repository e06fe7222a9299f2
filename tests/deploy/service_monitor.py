"""The CRD of ServiceMonitor, as far as we use it.

**Source**: monitoring.coreos.com/v1 of the Prometheus Operator, ServiceMonitorSpec and Endpoint.
"""

from typing import Any

from tests.kube.crds.schema import LABELS, STRING, definition, listing, record


def service_monitor() -> dict[str, Any]:
    endpoint = record({"port": STRING, "path": STRING, "interval": STRING})
    spec = record({"selector": record({"matchLabels": LABELS}), "endpoints": listing(endpoint)}, "selector")
    return definition("monitoring.coreos.com", "ServiceMonitor", spec, record({}))
