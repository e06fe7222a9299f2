"""How Envoy is told who gets the canary otherwise than by chance, and how that is read back. Pure.

Testers have a route of their own before everybody's, to a cluster of their own: what they get is counted
apart. Users keep their version by a hash of their header or cookie: the canary stands first in the list, and
the weights add up to the same at every step, so that a larger weight takes more users and gives none back.
Requests without the header or cookie are divided by chance.

**Source**: Envoy 1.39, xds.type.matcher.v3.Matcher, WeightedCluster.use_hash_policy, RouteAction.HashPolicy.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from controller.domain.audience import Audience, Carrier, Key, Match, Sticky

Json = dict[str, Any]

_TYPE = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_COOKIES = "cookie"


def with_testers(everybody: Json, testers: Sequence[Match], theirs: Json) -> Json:
    """What is done on a match: ``theirs`` for testers, ``everybody`` for the rest. Both are OnMatch."""
    if not testers:
        return everybody
    predicates = [_predicate(tester) for tester in testers]
    predicate = predicates[0] if len(predicates) == 1 else {"or_matcher": {"predicate": predicates}}
    matchers = [{"predicate": predicate, "on_match": theirs}]
    return {"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": everybody}}


def _predicate(tester: Match) -> Json:
    key = tester.key
    if key.carrier is Carrier.HEADER:
        return _header(key.name, {"exact": tester.value})
    pair = f"{re.escape(key.name)}={re.escape(tester.value)}"
    regex = rf"(?:.*;[ \t]*)?{pair}(?:[ \t]*;.*)?"  # the whole header must match
    return _header(_COOKIES, {"safe_regex": {"google_re2": {}, "regex": regex}})


def _header(name: str, value_match: Json) -> Json:
    of_header = {"name": name, "typed_config": {"@type": _TYPE, "header_name": name.lower()}}
    return {"single_predicate": {"input": of_header, "value_match": value_match}}


def hashed(sticky: Sticky | None, salt: str) -> Json:
    """The fields of a route's action by which users keep their version; ``use`` stands at the clusters.

    A header is hashed with ``salt``, so that the first users of one rollout are not those of every other.
    """
    if sticky is None:
        return {}
    if sticky.key.carrier is Carrier.COOKIE:
        return {"hash_policy": [{"cookie": {"name": sticky.key.name}}]}
    rewrite = {"pattern": {"google_re2": {}, "regex": "^(.*)$"}, "substitution": rf"{salt} \1"}
    return {"hash_policy": [{"header": {"header_name": sticky.key.name.lower(), "regex_rewrite": rewrite}}]}


def record_of(audience: Audience) -> Json:
    """What the route's metadata says of it; empty for everybody alike."""
    record: Json = {}
    if audience.testers:
        record["testers"] = [[*_key(tester.key), tester.value] for tester in audience.testers]
    if audience.sticky:
        record["sticky"] = _key(audience.sticky.key)
    return record


def _key(key: Key) -> list[str]:
    return [key.carrier.value, key.name]


def parse_record(record: Json) -> Audience:
    """What `record_of` wrote. Raises `ValueError` for anything else."""
    match record.get("testers", []), record.get("sticky"):
        case list(rows), None | [str(_), str(_)]:
            sticky = record.get("sticky")
        case _:
            raise ValueError("no audience of ours")
    testers = []
    for row in rows:
        match row:
            case [str(carrier), str(name), str(value)]:
                testers.append(Match(Key(Carrier(carrier), name), value))
            case _:
                raise ValueError("a tester is a header or a cookie, its name and its value")
    return Audience(tuple(testers), Sticky(Key(Carrier(sticky[0]), sticky[1])) if sticky else None)


def treatment(on_match: Any) -> Json:
    """All in an OnMatch of ours that treats anybody otherwise than by chance; empty if nobody is."""
    match on_match:
        case {"matcher": {"on_no_match": rest, **others}}:
            return {"testers": others, **treatment(rest)}
        case {"action": {"typed_config": {"route": dict(route)}}}:
            pass
        case _:
            return {}
    found: Json = {"hash": route["hash_policy"]} if "hash_policy" in route else {}
    match route:
        case {"weighted_clusters": {"use_hash_policy": use, "clusters": list(members)}}:
            names = [member.get("name") for member in members if isinstance(member, dict)]
            found |= {"use": use, "order": names}
    return found


def edited(audience: Audience, found: Json, asked: Json) -> Audience:
    """The audience that an entry really has: ``found`` in it, where ``asked`` is what Serinus wrote."""
    return audience if found == asked else replace(audience, edited=True)
