"""The operator's settings of a gateway that probes are sent through, as users' requests are."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from controller.prometheus_settings import HeaderName, HttpUrl


class ProbeGatewaySettings(BaseModel):
    """Where the gateway listens for users, and what it asks of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl
    """Its address, without the path that policies name: ``https://chat.example.com``."""
    header_files: dict[HeaderName, Path] = Field(default_factory=dict)
    """Headers of every probe, such as ``Authorization``, by the files that hold them."""
