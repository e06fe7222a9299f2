"""What the tests of policy files share: a small valid policy, and what it may name."""

import pytest

from controller.domain.capabilities import Capabilities
from controller.policy.catalogue import Catalogue, Measures


@pytest.fixture
def policy_text() -> str:
    return """\
model: fraud-detector
route: {envoy: /v2/models/fraud-detector}
metrics: envoy
steps: [1%, 5%]
checks:
  errors: {max: 1%}
"""


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(
        {
            **dict.fromkeys(("envoy", "httpRoute", "grpcRoute", "llmInferenceService"), Capabilities()),
            **dict.fromkeys(("knativeService", "inferenceService"), Capabilities(finest_permille=10)),
        },
        dict.fromkeys(("envoy", "envoy-gateway", "mlserver"), Measures(frozenset({"latency"}))),
        frozenset({"threshold", "sequential"}),
    )
