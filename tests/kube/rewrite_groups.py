"""Which groups of InferenceModelRewrite the tests' API server serves: both, or the former one alone."""

from controller.adapters.kube.resources import FORMER_MODEL_REWRITES, MODEL_REWRITES
from tests.kube.admin import AdminClient, ApiError
from tests.kube.crds.inference import model_rewrite

NEWER, FORMER = MODEL_REWRITES.api_version, FORMER_MODEL_REWRITES.api_version


def serve_newer(admin: AdminClient, *, served: bool) -> None:
    """Install the newer group's definition, or take it off the server; its objects outlast that."""
    definition = model_rewrite()
    definition["spec"]["versions"][0]["served"] = served
    admin.define(definition)
    admin.until(lambda: _is_served(admin) is served, f"{NEWER} is {'served' if served else 'gone'}")


def _is_served(admin: AdminClient) -> bool:
    try:
        found = admin.request("GET", f"/apis/{NEWER}")
    except ApiError:
        return False
    return any(each["name"] == MODEL_REWRITES.plural for each in found["resources"])
