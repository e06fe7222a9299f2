"""The CRDs of the Prometheus Operator, as far as we use them.

**Source**: monitoring.coreos.com/v1: ServiceMonitorSpec and Endpoint; PrometheusRuleSpec, RuleGroup and Rule.
"""

from typing import Any

from tests.kube.crds.schema import LABELS, STRING, definition, listing, record

_GROUP = "monitoring.coreos.com"
_DURATION = {
    "type": "string",
    "pattern": r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?)$",
}


def prometheus_operator() -> list[dict[str, Any]]:
    """The definitions of ServiceMonitor and PrometheusRule."""
    endpoint = record({"port": STRING, "path": STRING, "interval": STRING})
    monitor = record(
        {"selector": record({"matchLabels": LABELS}), "endpoints": listing(endpoint)}, "selector"
    )
    alert = {"alert": STRING, "expr": STRING, "for": _DURATION, "labels": LABELS, "annotations": LABELS}
    group = record({"name": STRING, "rules": listing(record(alert, "expr"))}, "name")
    rule = record({"groups": listing(group, keys=["name"])})
    return [
        definition(_GROUP, "ServiceMonitor", monitor, record({})),
        definition(_GROUP, "PrometheusRule", rule, record({})),
    ]
