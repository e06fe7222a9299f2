"""How long the daemon took from a decision's commit to the gateway's taking the weight, by its own log."""

from datetime import datetime

from tests.e2e.harness import Harness


def write_delays(harness: Harness, model: str | None = None) -> list[float]:
    """Seconds, of each write that one process committed and made; of one model or of all."""
    committed: dict[str, tuple[float, datetime]] = {}
    found: list[float] = []
    for line in harness.log_lines():
        at, weight = datetime.fromisoformat(line["timestamp"]), line.get("weight_percent")
        if line["event"] == "daemon_started":
            committed.clear()
        if weight is None or (model is not None and line.get("model") != model):
            continue
        if line["event"] != "weight_set":
            committed[line["model"]] = weight, at
        elif line["model"] in committed:
            asked, since = committed.pop(line["model"])
            found += [(at - since).total_seconds()] if asked == weight else []
    return found
