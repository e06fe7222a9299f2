"""The operator's settings of a Prometheus, or of what speaks its API, as Thanos, Mimir and Cortex do."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from controller.policy.names import is_label

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""**Source**: RFC 9110, 5.6.2, what a header's name may be."""
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
        error = f"{name[:100]!a} is not a header that can be set"
        raise ValueError(error)
    return name


def _header_value(value: str) -> str:
    if not value.isascii() or not value.isprintable() or value != value.strip():
        error = "must be printable ASCII without space at an end"
        raise ValueError(error)
    return value


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        error = "must begin with http:// or https://"
        raise ValueError(error)
    return url.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value), Field(max_length=1000)]


class PrometheusSettings(BaseModel):
    """The Prometheus that scrapes the gateway and the engines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: HttpUrl
    """Its address; of Mimir and Cortex with the prefix of their API: ``https://mimir.example.com/prometheus``."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    """How long a query may take. A reading takes no longer than two of them and a second."""
    bearer_token_file: Path | None = None
    """Holds a token that is sent as ``Authorization: Bearer``."""
    tenant: HeaderValue | None = None
    """Whose series are asked for, where one server holds several people's."""
    tenant_header: HeaderName = "X-Scope-OrgID"
    """The header that names the tenant: of Mimir and Cortex this one, of Thanos ``THANOS-TENANT``."""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=20)
    """More headers of each query. No secrets: they belong in files."""
    header_files: dict[HeaderName, Path] = Field(default_factory=dict, max_length=20)
    """Headers whose values are secrets, each with the file that holds it."""
    ca_file: Path | None = None
    """Certificates, as PEM, of those who may vouch for it; the system's own when absent."""

    @model_validator(mode="after")
    def _each_header_once(self) -> Self:
        names = [name.lower() for name in (*self.headers, *self.header_files)]
        names += ["authorization"] if self.bearer_token_file is not None else []
        names += [self.tenant_header.lower()] if self.tenant is not None else []
        if twice := sorted({name for name in names if names.count(name) > 1}):
            error = f"the header {', '.join(twice)} is set twice"
            raise ValueError(error)
        if self.ca_file is not None and not self.url.startswith("https://"):
            error = "ca_file is for a url that begins with https://"
            raise ValueError(error)
        return self


def _by_name(servers: Mapping[str, PrometheusSettings]) -> dict[str, PrometheusSettings]:
    """Names that a policy can write."""
    if wrong := [name for name in servers if not is_label(name)]:
        error = f"{min(wrong)[:100]!a} is not a name: lower-case letters, digits and - make one"
        raise ValueError(error)
    return dict(servers)


PrometheusServers = Annotated[dict[str, PrometheusSettings], AfterValidator(_by_name)]


def no_server(name: str) -> str:
    """What is said of a name that a policy writes and the settings do not have."""
    return f"the settings have no Prometheus server of the name {name}"
