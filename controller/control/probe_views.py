"""The requests of Serinus' own that a policy asks for, as people and programs see them. Pure."""

from controller.control.check_views import View
from controller.domain.probes import ProbeRules


class ProbeRulesView(View):
    """What is asked through the gateway: ``requests`` of at most ``max_tokens`` each, in a round."""

    every_seconds: float
    requests: int
    path: str
    gateway: str
    served_model: str
    max_tokens: int
    first_token_seconds: float
    timeout_seconds: float
    version_header: str


def probe_rules_view(rules: ProbeRules) -> ProbeRulesView:
    """All that decides what is asked, and what is bad."""
    return ProbeRulesView(
        every_seconds=rules.every.total_seconds(),
        requests=rules.requests,
        path=rules.path,
        gateway=rules.gateway,
        served_model=rules.served_model,
        max_tokens=rules.max_tokens,
        first_token_seconds=rules.first_token.total_seconds(),
        timeout_seconds=rules.timeout.total_seconds(),
        version_header=rules.version_header,
    )
