"""What a rollout brings, as people and programs see it. Pure."""

from controller.control.check_views import View
from controller.domain.release import Backend, BackendKind, Release


class ReleaseView(View):
    """A version and what runs it: ``HOST:PORT`` of its copies on one machine, a backend in a cluster.

    ``image`` and what follows is there where Serinus runs the version; ``args`` is None where the stable
    version's are kept, ``env`` what differs from its own, ``NAME=VALUE`` each. ``storage_uri`` is where the
    files are that an InferenceService loads.
    """

    version: str
    endpoints: tuple[str, ...] = ()
    backend: str | None = None
    image: str | None = None
    args: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    container: str | None = None
    storage_uri: str | None = None


def release_view(release: Release) -> ReleaseView:
    """The view; a backend is written as `serinus deploy --backend` takes it."""
    backend, image = release.backend, release.image
    files = backend.name if backend is not None and backend.kind is BackendKind.STORAGE_URI else None
    return ReleaseView(
        version=release.version,
        endpoints=release.endpoints,
        backend=_shown(backend) if backend is not None and files is None else None,
        image=image.image if image is not None else None,
        args=image.args if image is not None else None,
        env=tuple(f"{name}={value}" for name, value in image.env) if image is not None else (),
        container=image.container if image is not None else None,
        storage_uri=files,
    )


def _shown(backend: Backend) -> str:
    subset = f"@{backend.subset}" if backend.subset else ""
    port = f":{backend.port}" if backend.port is not None else ""
    return f"{backend.kind}/{backend.name}{subset}{port}"
