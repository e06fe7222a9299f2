"""Configuration of the local Envoy and Prometheus, as plain data. Pure: no file, no process, no clock.

Everything listens on 127.0.0.1. Envoy takes routes and clusters from files (`rds.json`, `cds.json`), which
whoever splits the traffic replaces by an atomic rename; a file written in place is not picked up.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

type_url = "type.googleapis.com/".__add__
LOOPBACK = "127.0.0.1"
ROUTE_CONFIG = "serinus"
SERVED_BY = "x-served-by"
"""Response header with the cluster that was chosen; an error answer names no version itself."""

LATENCY_BUCKETS_MS = (
    *(1, 2, 5, 10, 20, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750),
    *(1000, 1500, 2000, 3000, 5000, 10000, 30000),
)
STATS_KEPT = (
    r"cluster\..+\.upstream_(rq.*|cx_connect_fail)",
    r"http\..+\.rds\..+\.(update|config|version).*",
    r"http\..+\.(no_route|no_cluster|downstream_rq_total)",
    r"cluster_manager\.(cds\..*|active_clusters)",
    r"server\.(live|state|uptime|version|memory_allocated)",
)


@dataclass(frozen=True, slots=True)
class EngineTarget:
    """Where one served model version exposes its engine's metrics."""

    model: str
    version: str
    port: int


def envoy_bootstrap(xds_dir: Path, port: int, admin_port: int) -> dict[str, Any]:
    """Give Envoy's bootstrap: one listener, and the routes and clusters that `xds_dir` holds."""
    cds = {"cds_config": _file_source(xds_dir, "cds.json")}
    return {
        "node": {"id": "local", "cluster": "local"},
        "admin": {"address": _address(admin_port)},
        "stats_flush_interval": "1s",  # histograms are only as fresh as the last flush
        "stats_config": _stats_config(),
        "dynamic_resources": cds,
        "static_resources": {"listeners": [_listener(xds_dir, port)]},
    }


def _stats_config() -> dict[str, Any]:
    patterns = [{"safe_regex": {"regex": regex}} for regex in STATS_KEPT]
    buckets = {"match": {"suffix": "upstream_rq_time"}, "buckets": LATENCY_BUCKETS_MS}
    return {
        "stats_matcher": {"inclusion_list": {"patterns": patterns}},
        "histogram_bucket_settings": [buckets],
    }


def _listener(xds_dir: Path, port: int) -> dict[str, Any]:
    served_by = {
        "header": {"key": SERVED_BY, "value": "%UPSTREAM_CLUSTER%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    extensions = "envoy.extensions.filters"
    mutation = {
        "@type": type_url(f"{extensions}.http.header_mutation.v3.HeaderMutation"),
        "mutations": {"response_mutations": [{"append": served_by}]},
    }
    router = {"@type": type_url(f"{extensions}.http.router.v3.Router")}
    manager = {
        "@type": type_url(f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "gateway",
        "rds": {
            "route_config_name": ROUTE_CONFIG,
            "config_source": _file_source(xds_dir, "rds.json"),
        },
        "http_filters": [
            {"name": "envoy.filters.http.header_mutation", "typed_config": mutation},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
    }
    network_filter = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager,
    }
    return {
        "name": "gateway",
        "address": _address(port),
        "filter_chains": [{"filters": [network_filter]}],
    }


def _file_source(xds_dir: Path, name: str) -> dict[str, Any]:
    # no watched_directory: with it Envoy would read both files again when one of them changes
    source = {"path": str(xds_dir / name)}
    return {"path_config_source": source, "resource_api_version": "V3"}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


def clusters(ports: Mapping[str, int]) -> dict[str, Any]:
    """Give `cds.json`: each named cluster is one server on a loopback port. Push it before routes."""
    resources = [
        {
            "@type": type_url("envoy.config.cluster.v3.Cluster"),
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}],
            },
        }
        for name, port in ports.items()
    ]
    return _discovery_response(resources)


def routes(weights: Mapping[str, Mapping[str, int]], timeout_seconds: float = 5) -> dict[str, Any]:
    """Give `rds.json`: for each model, how its requests split over clusters (weights of any sum > 0)."""
    entries = [
        {
            "name": model,
            "match": {"path_separated_prefix": f"/v2/models/{model}"},
            "route": {
                "weighted_clusters": {"clusters": [{"name": c, "weight": w} for c, w in split.items()]},
                "timeout": f"{timeout_seconds:g}s",
            },
        }
        for model, split in weights.items()
    ]
    host = {"name": "models", "domains": ["*"], "routes": entries}
    resource = {
        "@type": type_url("envoy.config.route.v3.RouteConfiguration"),
        "name": ROUTE_CONFIG,
        "virtual_hosts": [host] if entries else [],
    }
    return _discovery_response([resource])


def _discovery_response(resources: list[dict[str, Any]]) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()
    return {"version_info": digest[:16], "resources": resources}


def prometheus_config(
    admin_port: int, engines_file: Path, scrape_interval_seconds: int = 1
) -> dict[str, Any]:
    """Give Prometheus' configuration (JSON is YAML): job `envoy`, and job `engines` from a file."""
    interval = f"{scrape_interval_seconds}s"
    # Envoy counts every request a second time by where it came from; nobody reads those copies.
    copies = {
        "source_labels": ["__name__"],
        "regex": "envoy_cluster_(external|internal)_.*",
        "action": "drop",
    }
    envoy = {
        "job_name": "envoy",
        "metrics_path": "/stats/prometheus",
        "static_configs": [{"targets": [f"{LOOPBACK}:{admin_port}"]}],
        "metric_relabel_configs": [copies],
    }
    discovery = {"files": [str(engines_file)], "refresh_interval": "5s"}
    engines = {"job_name": "engines", "file_sd_configs": [discovery]}
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [envoy, engines],
    }


def engine_targets(targets: Iterable[EngineTarget]) -> list[dict[str, Any]]:
    """Give the file that job `engines` reads.

    The labels are the target's own, because an engine's metrics may not tell versions apart. They are not
    called `model` and `version`: MLServer uses those, and Prometheus would rename MLServer's.
    """
    return [
        {
            "targets": [f"{LOOPBACK}:{target.port}"],
            "labels": {"model_name": target.model, "model_version": target.version},
        }
        for target in targets
    ]
