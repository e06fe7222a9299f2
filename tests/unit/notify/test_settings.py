"""Where the settings say that destinations lead."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from controller.adapters.registry import destinations
from controller.settings import DestinationSettings


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        ({"kind": "webhook"}, "needs a url"),
        ({"kind": "slack-webhook"}, "needs a url"),
        ({"kind": "slack", "channel": "#ml"}, "a channel and a token_file"),
        ({"kind": "slack", "token_file": "/t"}, "a channel and a token_file"),
        ({"url": "https://a.b", "channel": "#ml"}, "are slack's"),
        ({"kind": "slack", "channel": "#ml", "token_file": "/t", "url": "http://a.b"}, "is not https"),
        ({"kind": "apprise"}, "needs a url_file"),
        ({"url": "https://a.b", "url_file": "/t"}, "nothing else has one"),
        ({"kind": "pigeon", "url": "https://a.b"}, "pigeon"),
    ],
)
def test_a_destination_says_where_it_leads(destination: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DestinationSettings.model_validate(destination)
    assert words in str(refused.value)


def test_every_kind_of_destination_is_built() -> None:
    settings = {
        "a": DestinationSettings(url="https://a.b/"),
        "b": DestinationSettings(kind="slack-webhook", url="https://a.b/"),
        "d": DestinationSettings(kind="apprise", url_file=Path("/t")),
        "c": DestinationSettings(kind="slack", channel="#ml", token_file=Path("/t")),
    }
    assert [each.destination.name for each in destinations(settings)] == ["a", "b", "d", "c"]
