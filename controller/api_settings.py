"""The operator's settings of the HTTP API: where it listens, and how it knows people."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from controller.features import Feature


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        error = "must be like https://serinus.example.com, without a path"
        raise ValueError(error)
    return f"{parts.scheme}://{parts.netloc}"


Origin = Annotated[str, AfterValidator(_origin)]


class ApiSettings(BaseModel):
    """Where the HTTP API listens. Every request needs a token, wherever it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address of the port. Tokens pass it in the clear: put TLS before it where it is not loopback."""
    port: int = Field(default=9180, ge=0, le=65535)
    """The port of ``/api/v1``."""
    token_file: Path | None = None
    """On one machine: holds a line ``ROLE NAME TOKEN`` for each; the role is ``read`` or ``operate``."""
    audience: str = Field(default="serinus", min_length=1, max_length=253)
    """In a cluster: what tokens must have been made for; the API server is asked (TokenReview)."""
    public_url: Origin | None = None
    """How people reach it; with https, sessions go by https alone. The request's own Host when absent."""
    allowed_origins: tuple[Origin, ...] = Field(default=(), max_length=20)
    """Pages of other sites that may call it with a token; none when empty."""

    def fit(self, features: Collection[Feature] | None) -> None:
        """Raises `ValueError` where nobody could be known. ``features`` are a cluster's, else None."""
        if features is None and self.token_file is None:
            error = "on one machine the api needs a token_file: it answers nobody without a token"
            raise ValueError(error)
        if features is not None and self.token_file is not None:
            error = "in a cluster the API server knows who bears a token: remove the api's token_file"
            raise ValueError(error)
        if features is not None and Feature.API not in features:
            error = f"the api needs the feature {Feature.API}, which brings its rights"
            raise ValueError(error)
