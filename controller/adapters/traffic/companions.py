"""Looks at what a dialect wants looked at beside a route."""

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Companion


async def companion_of(client: KubeClient, namespace: str, wanted: Companion) -> Obj | None:
    """The object, or the List of all of its kind. Raises what the client raises."""
    if wanted.name:
        return await client.get(wanted.resource, namespace, wanted.name)
    found, _ = await client.list(wanted.resource, namespace)
    return {"kind": f"{wanted.resource.kind}List", "items": found}
