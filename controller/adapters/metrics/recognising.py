"""Recognises the metrics pack of a version from what one of its copies shows.

**Invariant**: whatever a copy answers, the result is a pack or a sentence for people, within bounded time and
memory; nothing of the answer but names that packs know decides anything, and none of its text is shown.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from controller.adapters.exchange import NoAnswer, endpoint_url, exchange, plain_client
from controller.adapters.metrics.packs import Pack
from controller.adapters.metrics.sought import measurable
from controller.domain.measures import MetricsPage
from controller.domain.model import Rollout
from controller.domain.observation import PackSeen
from controller.domain.policy import Check
from controller.domain.recognition import Signature, recognise

_MOST_BYTES = 4 * 1024 * 1024
_WITHIN = timedelta(seconds=5)
_OK = 200


class PackRecogniser:
    """`Engines` over HTTP: one copy's page, fetched anew each time that it is asked for."""

    def __init__(self, packs: Mapping[str, Pack]) -> None:
        self._packs = packs
        self._client = plain_client()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def recognise(self, rollout: Rollout, endpoints: Sequence[str]) -> PackSeen:
        """Look at the first of the copies, for all copies of a version are alike."""
        if not endpoints:
            return PackSeen(message="no copy's address is known: write the pack's name into the policy")
        page = rollout.policy.metrics_page
        where = f"{_at(endpoints[0], page)}{page.path}"
        try:
            url = endpoint_url(_at(endpoints[0], page), page.path)
        except (ValueError, UnicodeError):
            return PackSeen(message=f"{where} is no address of a page")
        request = self._client.build_request("GET", url)
        answer = await exchange(self._client, request, within=_WITHIN, most_bytes=_MOST_BYTES)
        if isinstance(answer, NoAnswer):
            return PackSeen(message=f"no metrics at {where}: {answer.message}")
        if answer.status != _OK:
            return PackSeen(
                message=f"no metrics at {where}: HTTP {answer.status}; metrics_page says where they are"
            )
        if answer.truncated:
            return PackSeen(message=f"the page at {where} is larger than {_MOST_BYTES // 2**20} MiB")
        names = await asyncio.to_thread(names_in, answer.body)
        if names is None:
            return PackSeen(message=f"the page at {where} is not Prometheus' text format")
        return recognise(names, list(self._signatures(rollout.policy.checks)))

    def _signatures(self, checks: Sequence[Check]) -> Iterator[Signature]:
        for name, pack in self._packs.items():
            if pack.recognised_by:
                yield Signature(name, frozenset(pack.recognised_by), _trouble(pack, checks))


def names_in(page: bytes) -> frozenset[str] | None:
    """The metrics of a page, with and without the suffix of a counter; None if it is no such page."""
    names: set[str] = set()
    try:
        for family in text_string_to_metric_families(page.decode("utf-8")):
            names |= {family.name, *(sample.name for sample in family.samples)}
            if family.type == "counter":
                names.add(f"{family.name}_total")
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        return None  # the parser fails on foreign text in any of these ways
    return frozenset(names) or None


def _at(endpoint: str, page: MetricsPage) -> str:
    return endpoint if page.port is None else f"{endpoint.rpartition(':')[0]}:{page.port}"


def _trouble(pack: Pack, checks: Sequence[Check]) -> str:
    """Why the pack cannot read what the policy asks for; empty if it can."""
    if pack.refused:
        return f"which cannot be used: {pack.refused}"
    lacking = [check.name for check in checks if not check.of_probes and not measurable(pack, check)]
    if not lacking:
        return ""
    reasons = {name: pack.lacks.get(name.partition("_p")[0]) for name in lacking}
    said = [f"{name} ({reason})" if reason else name for name, reason in reasons.items()]
    return f"which does not measure {', '.join(said)}: name a gateway's pack, or change these checks"
