"""Sources of counts and gauges: Prometheus, read through packs that describe a gateway or an engine."""
