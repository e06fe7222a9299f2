"""``docs/reference/routes.md``, from the registry of adapters: what each kind of route can do."""
# ruff: noqa: INP001 - a folder of documents, not a package

from controller.adapters.registry import capabilities
from controller.adapters.traffic.dialects import DIALECTS
from controller.cli.doctor.abilities import ABILITIES
from controller.domain.wording import percent
from controller.features import Feature
from docs.pages.tables import ORIGIN, table

_HEAD = f"""\
# Kinds of route

{ORIGIN}
`route:` in a policy names who splits the model's traffic: `route: {{httpRoute: chat}}`. What the table calls
no is refused, or left out with a warning, where a policy asks for it. `serinus doctor` says the same of each
policy's route, and `serinus explain route` how it is written.
How to set one up: [other gateways](../how-to/gateways.md).
"""


def page() -> str:
    """The whole document."""
    heads = ("route", "object", "feature", "weights", *(f"can {what}" for what in ABILITIES))
    rows = []
    for kind, found in sorted(capabilities().items()):
        dialect = DIALECTS.get(kind)
        api = f"{dialect.resource.kind} of `{dialect.resource.api_version}`" if dialect else "files"
        feature = f"`{dialect.feature}`" if dialect and dialect.feature is not Feature.CORE else ""
        does = ("yes" if has(found) else "no" for has in ABILITIES.values())
        rows.append((f"`{kind}`", api, feature, f"by {percent(found.finest_permille)}", *does))
    return "\n".join([_HEAD, *table(heads, rows), ""])
