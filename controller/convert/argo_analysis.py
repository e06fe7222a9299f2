"""The analyses of an Argo Rollout: their templates, the values of the arguments, and what becomes a check."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from controller.convert.argo_metrics import ArgoMetrics, Measured, is_plain
from controller.convert.draft import Draft, each_entry, each_unknown
from controller.convert.manifests import Manifest, find
from controller.convert.notes import Notes
from controller.convert.place import Place
from controller.convert.promql import Naming, Variable, Who
from controller.policy.faults import Mark
from controller.policy.quantities import show_duration, shown

_HERE = frozenset({"templates", "args", "dryRun"})
_RUN = {
    "startingStep": ("every check is looked at from the first weight on", ""),
    "measurementRetention": ("every decision is kept with its evidence", ""),
    "analysisRunMetadata": ("there is no object of an analysis", ""),
}
_TEMPLATE = frozenset({"metrics", "args", "dryRun", "templates", "measurementRetention"})
_DEEPEST = 8
_MOST_METRICS = 200
_FIELD = re.compile(r"(.*)\[['\"](.+)['\"]\]")


class Analysis:
    """Collects the checks of all analyses of one Rollout."""

    def __init__(self, draft: Draft, objects: Sequence[Manifest], label: str | None, notes: Notes) -> None:
        self._draft = draft
        self._manifest = draft.manifest
        self._objects = objects
        self._label = label
        self._notes = notes
        self._metrics = ArgoMetrics(notes)
        self._seen: set[tuple[str, Mark]] = set()

    def add(self, place: Place) -> timedelta:
        """Take an analysis. Gives the time that its counted measurements need, at most."""
        for key, (message, advice) in _RUN.items():
            if place.at(key).given:
                self._notes.lost(place.at(key), message, advice)
        each_unknown(place, _HERE | _RUN.keys(), self._notes)
        given = self._values(place.at("args"))
        times = [timedelta()]
        for template in self._templates(place.at("templates"), _DEEPEST):
            spec = template.at("spec")
            each_unknown(spec, _TEMPLATE, self._notes)
            values = {**self._values(spec.at("args")), **given}
            dry = [*place.at("dryRun").items(), *spec.at("dryRun").items()]
            for rule in dry:
                if not is_plain(rule):
                    message = f"{rule.at('metricName').quoted} is more than a metric's name"
                    self._notes.lost(rule, message, "write report_only: true into the checks that it means")
            for metric in each_entry(spec.at("metrics"), self._notes)[:_MOST_METRICS]:
                measured = Measured(metric, self._naming(values), tuple(dry))
                times.append(self._metrics.time(metric))
                if self._new(metric):
                    self._metrics.add(measured)
        return max(times)

    def finish(self) -> None:
        """Put the checks into the draft, and the shortest interval of theirs."""
        self._draft.checks |= self._metrics.checks
        if self._metrics.interval is not None:
            self._draft.sections["interval"] = show_duration(self._metrics.interval)

    def _new(self, metric: Place) -> bool:
        """An analysis may come at several steps; its checks are looked at at all of them anyway."""
        key = metric.document.source.path, metric.mark
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _templates(self, references: Place, deepest: int) -> Iterator[Place]:
        for reference in each_entry(references, self._notes)[:_MOST_METRICS] if deepest else []:
            name, cluster = reference.at("templateName"), reference.at("clusterScope").truth()
            kind = "ClusterAnalysisTemplate" if cluster else "AnalysisTemplate"
            where = None if cluster else self._manifest.namespace or None
            found = find(self._objects, kind, name.text(), where)
            if found is None:
                message = f"the {kind} {shown(name.text() or None)} is not in the files"
                self._notes.lost(reference, message, "give its file too: serinus convert ROLLOUT TEMPLATE")
                continue
            yield found.place
            yield from self._templates(found.place.at("spec", "templates"), deepest - 1)

    def _values(self, arguments: Place) -> dict[str, Variable | None]:
        """Each argument with what it stands for; None where the files do not say it."""
        values: dict[str, Variable | None] = {}
        for argument in arguments.items():
            source = argument.at("valueFrom")
            if argument.at("value").there:
                values[argument.at("name").text()] = Variable(argument.at("value").text())
            elif source.at("podTemplateHashValue").there:
                latest = source.at("podTemplateHashValue").text() == "Latest"
                values[argument.at("name").text()] = Variable("", Who.CANARY if latest else Who.STABLE)
            else:
                values[argument.at("name").text()] = self._field(source.at("fieldRef", "fieldPath").text())
        return values

    def _field(self, path: str) -> Variable | None:
        """A field of the Rollout; a label that is called version is the version."""
        match = _FIELD.fullmatch(path)
        parts: list[str] = [*(match[1] if match else path).split("."), *([match[2]] if match else [])]
        if match and "labels" in parts[:-1] and parts[-1].rpartition("/")[2] == "version":
            return Variable("", Who.VERSION)
        if parts == ["metadata", "namespace"]:
            return Variable(self._draft.namespace)
        text = self._manifest.place.at(*parts).text()
        return Variable(text) if text else None

    def _naming(self, values: Mapping[str, Variable | None]) -> Naming:
        canary = self._manifest.place.at("spec", "strategy", "canary")
        names = (
            (canary.at("canaryService").text(), Who.CANARY),
            (canary.at("stableService").text(), Who.STABLE),
        )

        def resolve(name: str) -> Variable | None:
            return values.get(name.removeprefix("args.")) if name.startswith("args.") else None

        return Naming(resolve, names, self._label)
