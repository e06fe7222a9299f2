"""Places pods on nodes by what they request, as a scheduler does. Pure; one dimension at a time is enough."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Obj = dict[str, Any]


def requests(pod: Obj) -> Counter[str]:
    """What a pod asks for, in base units; each pod also takes one of ``pods``.

    A limit without a request is a request, as the API server defaults it.
    """
    total: Counter[str] = Counter({"pods": 1})
    for container in pod["spec"]["containers"]:
        resources = container.get("resources", {})
        asked = {**resources.get("limits", {}), **resources.get("requests", {})}
        total.update(_amounts(asked))
    return total


def place(pod: Obj, nodes: Sequence[Obj], pods: Iterable[Obj]) -> tuple[str | None, str]:
    """The first node with room, or None and the scheduler's message."""
    used: dict[str, Counter[str]] = {node["metadata"]["name"]: Counter() for node in nodes}
    for other in pods:
        if (name := other["spec"].get("nodeName")) in used:
            used[name].update(requests(other))
    wanted = requests(pod)
    lacking: Counter[str] = Counter()
    for node in sorted(nodes, key=lambda each: str(each["metadata"]["name"])):
        name = node["metadata"]["name"]
        room = _amounts(node["status"]["allocatable"])
        short = [
            key for key, amount in wanted.items() if used[name][key] + amount > room.get(key, Decimal(0))
        ]
        if not short:
            return name, ""
        lacking.update(short)
    reasons = ", ".join(f"{count} Insufficient {key}" for key, count in sorted(lacking.items()))
    return None, f"0/{len(nodes)} nodes are available: {reasons}."


def _amounts(quantities: Mapping[str, str]) -> dict[str, Decimal]:
    return {key: _amount(str(amount)) for key, amount in quantities.items()}


def _amount(quantity: str) -> Decimal:
    amount: Decimal = parse_quantity(quantity)  # type: ignore[no-untyped-call]
    return amount
