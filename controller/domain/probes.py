"""What Serinus itself asks through the gateway, as a policy says it."""

from dataclasses import dataclass
from datetime import timedelta

PROBES = "probes"
"""The check, and what it counts: Serinus' own requests through the gateway."""


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """What is asked at most every ``every``, ``requests`` times, of ``path`` at a gateway of the settings.

    ``served_model`` is what the request calls the model. A probe is bad that has no token after
    ``first_token``, or no end after ``timeout``. ``version_header`` is the answer's header that holds the
    version which gave it.
    """

    path: str
    served_model: str
    version_header: str
    every: timedelta = timedelta(minutes=1)
    requests: int = 10
    prompt: str = "Count from one to five."
    max_tokens: int = 16
    first_token: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=60)
    gateway: str = "default"
    host: str = ""
