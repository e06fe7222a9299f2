"""Some hundred requests that Schemathesis makes from the API's description: none breaks it."""

from tests.unit.web.hostile import bombard, bombarded


def test_no_request_breaks_the_api_or_changes_what_its_caller_may_not() -> None:
    with bombarded() as target:
        sent = bombard(target, 300)
        assert sent >= 250
        assert {200, 400, 401, 403, 404} <= target.answers.keys()
