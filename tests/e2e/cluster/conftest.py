"""Makes pytest explain the assertions of the plays and of what they are made with."""

import pytest

for _module in (
    "buttons",
    "robots",
    "fleet",
    "handovers",
    "looking",
    "plays_ends",
    "plays_gateway",
    "plays_people",
    "plays_rights",
    "storms",
):
    pytest.register_assert_rewrite(f"tests.e2e.cluster.{_module}")
