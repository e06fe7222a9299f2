"""A small synchronous client for the set-up of tests. It shares no code with the controller.

Objects are JSON objects that bear their own apiVersion and kind; the plural is asked from the server, once.
"""

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import httpx2

Obj = dict[str, Any]
T = TypeVar("T")
_NOT_FOUND = httpx2.codes.NOT_FOUND


class ApiError(AssertionError):
    """The server refused; ``status`` is the HTTP status, the text is the server's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class AdminClient:
    """Thread-safe. Every request takes at most ``timeout_seconds``; refusals raise `ApiError`."""

    def __init__(self, url: str, tls: ssl.SSLContext, token: str, timeout_seconds: float = 10) -> None:
        self._http = httpx2.Client(
            base_url=url,
            verify=tls,
            trust_env=False,
            timeout=timeout_seconds,
            headers={"authorization": f"Bearer {token}"},
        )
        self._served: dict[str, dict[str, tuple[str, bool]]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        self._http.close()

    def create(self, obj: Obj) -> Obj:
        """Create the object in the namespace that its metadata names."""
        metadata = obj["metadata"]
        path = self.path(obj["apiVersion"], obj["kind"], metadata.get("namespace"))
        return self.request("POST", path, json=obj)

    def get(self, api_version: str, kind: str, namespace: str | None, name: str) -> Obj | None:
        """The object, or None if it does not exist."""
        return self._unless_absent("GET", self.path(api_version, kind, namespace, name))

    def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str = "") -> list[Obj]:
        """All objects of one namespace or of all, each with its apiVersion and kind."""
        query = {"labelSelector": labels} if labels else {}
        found = self.request("GET", self.path(api_version, kind, namespace), params=query)
        return [{"apiVersion": api_version, "kind": kind, **item} for item in found["items"]]

    def replace(self, obj: Obj, subresource: str = "") -> Obj:
        """Put the whole object, or its status; a resourceVersion in it must be the current one."""
        metadata = obj["metadata"]
        path = self.path(
            obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"], subresource
        )
        return self.request("PUT", path, json=obj)

    def patch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        name: str,
        change: Obj | Sequence[Obj],
        subresource: str = "",
    ) -> Obj:
        """Patch: an object is a JSON merge patch, a list is a JSON Patch."""
        form = "merge-patch" if isinstance(change, dict) else "json-patch"
        path = self.path(api_version, kind, namespace, name, subresource)
        return self.request("PATCH", path, json=change, headers={"content-type": f"application/{form}+json"})

    def apply(self, obj: Obj, manager: str = "tests") -> Obj:
        """Server-side apply, by force."""
        metadata = obj["metadata"]
        return self.request(
            "PATCH",
            self.path(obj["apiVersion"], obj["kind"], metadata.get("namespace"), metadata["name"]),
            json=obj,
            params={"fieldManager": manager, "force": "true"},
            headers={"content-type": "application/apply-patch+yaml"},
        )

    def delete(self, api_version: str, kind: str, namespace: str | None, name: str) -> None:
        """Delete the object; it may be absent, and may stay while it has finalizers."""
        self._unless_absent("DELETE", self.path(api_version, kind, namespace, name))

    def until(
        self,
        look: Callable[[], T | None],
        what: str,
        within: float = 30,
    ) -> T:
        """What ``look`` finds, once it is true. Raises AssertionError after the deadline."""
        deadline = time.monotonic() + within
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
            time.sleep(0.05)
        return found

    def define(self, *definitions: Obj) -> None:
        """Apply CustomResourceDefinitions and wait until each is established."""
        for definition in definitions:
            self.apply(definition)
        for definition in definitions:
            name = definition["metadata"]["name"]
            self.until(lambda name=name: self._established(name), f"{name} is established")  # type: ignore[misc]

    def service_account_token(self, namespace: str, name: str, *audiences: str) -> str:
        """A token of an existing service account, good for a day; for the API server if for nobody else."""
        path = self.path("v1", "ServiceAccount", namespace, name, "token")
        wish = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 86_400, **({"audiences": audiences} if audiences else {})},
        }
        token: str = self.request("POST", path, json=wish)["status"]["token"]
        return token

    def path(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str = "",
    ) -> str:
        """The URL's path of a collection, an object or a subresource."""
        plural, namespaced = self._plural(api_version, kind)
        parts = [_root(api_version)]
        if namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts += [plural, *([name] if name else []), *([subresource] if subresource else [])]
        return "/".join(parts)

    def request(self, method: str, path: str, **more: Any) -> Obj:
        """One request; the answer's JSON object. Raises ApiError for any status from 400 on."""
        answer = self._http.request(method, path, **more)
        if answer.status_code >= httpx2.codes.BAD_REQUEST:
            raise ApiError(answer.status_code, answer.text[:2000])
        found: Obj = answer.json()
        return found

    def _unless_absent(self, method: str, path: str) -> Obj | None:
        try:
            return self.request(method, path)
        except ApiError as refusal:
            if refusal.status == _NOT_FOUND:
                return None
            raise

    def _established(self, name: str) -> bool:
        definition = self.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, name)
        assert definition is not None, name
        conditions = {found["type"]: found for found in definition["status"].get("conditions") or ()}
        accepted = conditions.get("NamesAccepted", {})
        assert accepted.get("status") != "False", accepted
        return bool(conditions.get("Established", {}).get("status") == "True")

    def _plural(self, api_version: str, kind: str) -> tuple[str, bool]:
        with self._lock:
            known = self._served.get(api_version, {})
        if kind not in known:
            resources = self.request("GET", _root(api_version))["resources"]
            known = {
                found["kind"]: (found["name"], found["namespaced"])
                for found in resources
                if "/" not in found["name"]
            }
            with self._lock:
                self._served[api_version] = known
        assert kind in known, f"{api_version} has no {kind}"
        return known[kind]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
