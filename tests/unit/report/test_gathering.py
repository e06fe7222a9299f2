"""The report of a log: the decision that the end follows from, honest gaps, bounded whatever the length."""

import json
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pytest

from controller.cli.output import as_json
from controller.control.record_view import record_view
from controller.domain.policy import Check, CheckKind
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.report.gathering import MOST_CHECKS, MOST_MOMENTS, MOST_POINTS, Gatherer
from controller.report.markdown import markdown
from controller.report.page import page
from controller.report.texts import LONGEST_TEXT
from tests.fakes import EPOCH, a_policy
from tests.unit.control.stage import a_result, progressing
from tests.unit.report.scenes import MADE_BY, SECOND, Log, endless, promoted, rolled_back, weighed


class TestDecision:
    def test_a_rollback_rests_on_the_evidence_that_it_was_decided_by(self) -> None:
        report = rolled_back().report()
        assert report.decision is not None
        assert report.decision.moment.event == "rollback_started"
        assert report.decision.moment.at == EPOCH + 6 * SECOND
        (check,) = report.decision.checks
        assert (check.canary, check.limit, check.verdict) == (0.02, 0.01, Verdict.FAIL)
        assert check.sentence == "errors 2% is above its limit 1% over 1,234 requests"
        assert check.details[0] == "canary 12 of 1,234 requests bad, stable 0 of 5,678"
        assert "decisive, 243 to 1" in check.details[2]

    def test_the_words_are_those_of_why(self) -> None:
        log = rolled_back()
        assert [check.details for check in log.report().last_checks] == [
            check.details for check in log.record.why.checks
        ]

    def test_a_promotion_is_decided_before_the_bake(self) -> None:
        report = promoted().report()
        assert report.decision is not None
        assert report.decision.moment.event == "promotion_started"
        assert report.decision.checks[0].stable == 0.001
        assert report.last_checks[0].stable is None

    @pytest.mark.parametrize(
        ("event", "phase"),
        [
            ("not_deployed", Phase.NOT_DEPLOYED),
            ("rollout_aborted", Phase.ABORTED),
            ("rollout_superseded", Phase.SUPERSEDED),
            ("canary_validated", Phase.PROMOTING),
        ],
    )
    def test_every_end_has_one(self, event: str, phase: Phase) -> None:
        log = Log()
        log.add("created")
        log.add(event, phase=phase)
        decision = log.report().decision
        assert decision is not None
        assert decision.moment.event == event

    def test_the_last_word_counts(self) -> None:
        log = promoted()
        log.add("rollback_started", phase=Phase.ROLLING_BACK)
        decision = log.report().decision
        assert decision is not None
        assert decision.moment.event == "rollback_started"

    def test_a_rollout_that_goes_on_has_none(self) -> None:
        log = Log()
        log.add("created", phase=Phase.PENDING)
        log.add("step_advanced", phase=Phase.PROGRESSING)
        report = log.report()
        assert (report.decision, report.terminal) == (None, False)
        assert report.last_at == report.made_at


class TestSeries:
    def test_the_weight_changes_where_the_log_says(self) -> None:
        report = promoted().report()
        assert [point.weight for point in report.weights] == [0, 5, 25, 100, 100]
        assert report.weights[-1].at == report.last_at

    def test_a_check_has_a_point_for_each_entry(self) -> None:
        (series,) = rolled_back().report().checks
        assert (series.name, series.unit) == ("errors", "ratio")
        assert [point.canary for point in series.points][-5:] == [0.001, 0.004, 0.012, 0.02, 0.02]
        assert {point.stable for point in series.points[-5:]} == {0.001}
        assert [point.verdict for point in series.points][-3:] == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
        assert series.points[0].canary is None, "before the first measurement there is a gap"

    def test_phases_follow_each_other(self) -> None:
        report = promoted().report()
        assert [span.phase for span in report.phases][-3:] == [Phase.PROMOTING, Phase.BAKING, Phase.SUCCEEDED]
        assert all(a.end == b.begin for a, b in zip(report.phases, report.phases[1:], strict=False))

    def test_a_clock_that_is_set_back_turns_no_line_round(self) -> None:
        log = rolled_back()
        log.entries[4] = log.entries[4].model_copy(update={"at": EPOCH - timedelta(days=1)})
        (series,) = log.report().checks
        assert list(series.points) == sorted(series.points, key=lambda point: point.at)


class TestAfterTheEnd:
    def test_what_is_noted_afterwards_is_counted_and_moves_no_end(self) -> None:
        log = promoted()
        before = log.report()
        log.add("drained", after=timedelta(minutes=5))
        report = log.report()
        assert (report.last_at, report.timeline) == (before.last_at, before.timeline)
        assert (report.entries, report.missing) == (before.entries + 1, 0)


class TestActors:
    def test_who_wrote_what(self) -> None:
        found = {actor.name: (actor.entries, actor.events) for actor in rolled_back().report().actors}
        assert found["ann(1000)"] == (1, ("created",))
        assert found["serinus"][0] == 7
        assert found["serinus"][1][-1] == "rollback_finished"

    def test_many_are_counted_together(self) -> None:
        log = Log()
        for number in range(100):
            log.add("rollout_paused", actor=f"person-{number}")
        actors = log.report().actors
        assert len(actors) == 41
        assert (actors[-1].name, actors[-1].entries) == ("others", 60)
        assert sum(actor.entries for actor in actors) == 100


class TestBounds:
    def test_entries_that_are_kept_no_longer_are_told(self) -> None:
        log = rolled_back()
        del log.entries[1:4]
        report = log.report()
        assert (report.entries, report.missing) == (5, 3)
        assert "3 of 8 log entries are kept no longer" in markdown(report)
        assert "3 of 8 log entries are kept no longer" in page(report)

    def test_long_texts_are_cut(self) -> None:
        report = rolled_back(message="x" * 100_000).report()
        assert len(report.message) == LONGEST_TEXT
        assert report.message.endswith("x…")
        assert len(page(report)) < 60_000

    def test_too_many_checks_are_told(self) -> None:
        checks = tuple(Check(f"check{n}", CheckKind.GAUGE, max=1.0) for n in range(MOST_CHECKS + 7))
        log = Log(replace(progressing(), policy=a_policy(checks=checks)))
        log.add("created")
        report = log.report()
        assert (len(report.checks), report.unshown) == (MOST_CHECKS, 7)
        assert "7 more checks are left out" in page(report)

    def test_twenty_thousand_entries_give_a_small_file_in_little_memory(self) -> None:
        count = 20_000
        record = record_view(
            replace(progressing(), seq=count, phase=Phase.SUCCEEDED, reason=Reason.PROMOTED), EPOCH
        )
        gatherer, entries = Gatherer(record), endless(count)
        gatherer.add(islice(entries, 2 * MOST_POINTS))
        tracemalloc.start()
        gatherer.add(entries)
        report = gatherer.report(EPOCH, MADE_BY)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 8_000_000
        assert (report.entries, report.missing) == (count, 0)
        assert len(report.timeline) == MOST_MOMENTS
        assert report.untold == count // 40 - MOST_MOMENTS
        (series,) = report.checks
        assert len(series.points) <= MOST_POINTS
        assert max(point.canary or 0 for point in series.points) == 0.5, "the peak is kept"
        assert len(page(report)) < 250_000
        assert len(as_json(report)) < 250_000
        assert len(markdown(report)) < 60_000


def test_it_is_json_that_can_be_read_again() -> None:
    report = rolled_back().report()
    assert type(report).model_validate(json.loads(as_json(report))) == report


def test_a_rollout_without_any_entry_is_reported_all_the_same() -> None:
    record = record_view(replace(progressing(), seq=0), EPOCH)
    report = Gatherer(record).report(EPOCH, MADE_BY)
    assert (report.entries, report.timeline) == (0, ())
    assert "not over" in page(report)


def test_values_that_are_no_numbers_are_gaps() -> None:
    log = Log()
    log.add(checks=[a_result(Verdict.UNKNOWN, float("nan"))])
    (series,) = log.report().checks
    assert series.points[0].canary is None


def test_what_the_canarys_share_surely_is_goes_with_each_point() -> None:
    log = Log()
    log.add("observed", checks=[weighed(0.02)])
    log.add("observed", checks=[a_result(Verdict.PASS)])
    first, second = log.report().checks[0].points
    assert first.low == pytest.approx((first.stable or 0) + 0.046)
    assert first.high == pytest.approx((first.stable or 0) + 0.31)
    assert (second.low, second.high) == (None, None)
