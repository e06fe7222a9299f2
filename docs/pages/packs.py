"""``docs/reference/packs.md``, from the packs' own files: what each measures, and what to keep in mind."""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterable, Iterator

from controller.adapters.metrics.counters import Counter
from controller.adapters.metrics.packs import Pack, Template, built_in_packs
from controller.adapters.registry import catalogue
from controller.policy.packs import checks_of
from docs.pages.tables import ORIGIN, table

_HEAD = f"""\
# Metrics packs

{ORIGIN}
`metrics: NAME` in a policy names a pack: how the counters and histograms of one gateway or engine are read.
`serinus explain metrics.NAME` says the same in a terminal. `_p99` stands for any quantile: `ttft_p50`,
`ttft_p99.9`. The levels `queue`, `kv_cache`, `mean_latency`, `prompt_tokens`, `output_tokens` and
`token_latency` mean the same in every pack: [the policy file](policy-file.md#levels-of-a-pack). So do the
shares `aborted`, `errored`, `truncated` and `empty`: [how answers end](policy-file.md#how-answers-end).

A pack reads a **gateway**, which sees what users see, or each **version**'s own engine (or its pool's
endpoint picker), which knows more: the first token, the queue, the cache. A policy has one pack; what
another one would measure is written as [counters and queries of its own](policy-file.md#checks-of-your-own).

**Requests in flight** are no check. In a cluster they are counted before the copies of a version without
traffic are taken away, by whichever pack shows them, not only the policy's:
[drain a version](../how-to/drain-a-version.md).

How to let Prometheus add the labels `model` and `model_version` to a version's series, and how to write a
pack: [write a metrics pack](../how-to/write-a-metrics-pack.md#tell-versions-apart).
"""
_TOLD_BY = {
    Template.BACKEND: "`{label}` is `MODEL@VERSION`, the cluster that Serinus writes",
    Template.ENDPOINTS: "`{label}` is the address of a copy",
    Template.VERSION: "`{label}` is the version",
    Template.MODEL: "`{label}` is the model",
    Template.SERIES: "`{label}` is what the route calls the version's backend",
    Template.SERVICE: "`{label}` is what Traefik calls the backendRef's Service",
    Template.ADAPTER: "`{label}` is the adapter's name",
    Template.REQUESTED: "`{label}` is the model that requests ask for",
}


def page() -> str:
    """The whole document."""
    packs = built_in_packs()
    lines = [_HEAD, *_overview(packs)]
    for name, pack in packs.items():
        lines += [f"\n## {name}\n", f"{pack.about}.\n", *_section(pack)]
    return "\n".join([*lines, ""])


def _overview(packs: dict[str, Pack]) -> Iterator[str]:
    known = catalogue().packs
    rows = (
        (
            f"[{name}](#{name})",
            "gateway" if pack.shared_targets else "version",
            "cannot be used" if pack.refused else ", ".join(f"`{check}`" for check in checks_of(known[name])),
        )
        for name, pack in packs.items()
    )
    return table(("pack", "reads", "checks"), rows)


def _section(pack: Pack) -> Iterator[str]:
    if pack.refused:
        yield f"**Cannot be used**: {pack.refused}.\n"
        if pack.in_flight:
            yield f"Requests in flight are read all the same, from {_listed(pack.in_flight)}.\n"
    else:
        told = "; ".join(_TOLD_BY[what].format(label=label) for label, what in pack.versions.items())
        yield f"Versions are told apart by labels: {told}.\n"
        yield from _metrics(pack)
    if pack.lacks:
        yield "\nNot measured:\n"
        yield from (f"- `{check}`: {reason}." for check, reason in pack.lacks.items())
    yield "\nKeep in mind:\n"
    yield from (f"- {sentence}" for sentence in pack.caveats)


def _metrics(pack: Pack) -> Iterator[str]:
    rows = [("requests, `errors`" if pack.counts_errors else "requests", _names(pack.answers))]
    rows += [(f"`{name}_p99`", _names([one])) for name, one in pack.histograms.items()]
    rows += [(f"`{name}`", _names(parts)) for name, parts in pack.ratios.items()]
    rows += [
        (f"`{name}`", _names([one, *([one.per] if one.per else [])])) for name, one in pack.levels.items()
    ]
    lengths = pack.token_histograms.items()
    rows += [(f"lengths, by {name}; `{name}_drift`", _names([one])) for name, one in lengths]
    if pack.in_flight:
        rows.append(("requests in flight", _listed(pack.in_flight)))
    return table(("measures", "from"), rows)


def _names(counters: Iterable[Counter]) -> str:
    return _listed(dict.fromkeys(name for one in counters for name in (one.metric, *one.formerly)))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
