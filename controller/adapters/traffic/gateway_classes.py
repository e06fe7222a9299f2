"""What the gateways of a route say that they support, so that it is known before anything is written.

Gateways publish it in their GatewayClass, if they do; a class is found by the controller that took the route.
Where nothing is published, or may not be read, only trying tells. **Source**: Gateway API v1.4,
GatewayClassStatus.supportedFeatures, and the names of features of conformance profiles.
"""

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import Forbidden, NotServed
from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import GATEWAY_CLASSES, HTTP_ROUTES, Obj, Resource
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import RoutedModel
from controller.features import Feature

PERMISSIONS = (Permission(GATEWAY_CLASSES, frozenset({"list"}), Feature.GATEWAY_CLASSES),)
_MIRROR, _PERCENT = "HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"


async def unmirrored_by_class(client: KubeClient, resource: Resource, route: Obj, routed: RoutedModel) -> str:
    """Why the route's gateways cannot copy the shares of the policy; empty where nobody says so.

    Raises `TransientError`.
    """
    if resource is not HTTP_ROUTES or not routed.mirrors_permille:
        return ""
    try:
        classes, _ = await client.list(GATEWAY_CLASSES)
    except (Forbidden, NotServed):
        return ""
    controllers = {
        text(mapping(parent).get("controllerName"))
        for parent in sequence(mapping(route.get("status")).get("parents"))
    }
    ours = [each for each in classes if text(mapping(each.get("spec")).get("controllerName")) in controllers]
    return next((said for each in ours if (said := _lack(each, routed))), "")


def _lack(found: Obj, routed: RoutedModel) -> str:
    published = sequence(mapping(found.get("status")).get("supportedFeatures"))
    names = {text(mapping(each).get("name")) for each in published}
    parts = any(share < FULL_WEIGHT_PERMILLE for share in routed.mirrors_permille)
    needed = [_MIRROR, *([_PERCENT] if parts else [])]
    missing = [name for name in needed if names and name not in names]
    called = text(mapping(found.get("metadata")).get("name"))
    return f"the GatewayClass {called} does not support {missing[0]}" if missing else ""
