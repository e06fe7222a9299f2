"""Which JSON Schema a golden file may expect an answer to follow.

Only keywords whose cost is bounded by the sizes of schema and answer: no patterns (somebody else's regular
expression would run in the daemon), no references (they can recurse, multiply or point elsewhere). A word
that is not known is an error, where JSON Schema would pass over it in silence and prove nothing.
"""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from pydantic_core import PydanticCustomError

from controller.policy.catalogue import did_you_mean
from controller.policy.fields import KEY_COMPLAINT, Found, complaint
from controller.policy.quantities import shown

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_BY_NAME = frozenset({"properties", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset(
    {"items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else"}
)
_PLAIN = frozenset(
    {
        "$schema", "title", "description", "type", "enum", "const", "required", "dependentRequired",
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties",
    }
)  # fmt: skip
_KNOWN = _BY_NAME | _LISTS | _SINGLE | _PLAIN
_REFUSED = {
    "$ref": "write the part out in place",
    "$dynamicRef": "write the part out in place",
    "pattern": "use contains and not_contains of expect",
    "patternProperties": "use properties",
    "format": "it checks nothing here: remove it",
    "uniqueItems": "it is too slow on long lists: remove it",
}


def schema_faults(schema: Any) -> list[Found]:
    """Everything that is wrong with a schema, at its place."""
    found = list(_keyword_faults(schema, ()))
    if found:
        return found
    errors = Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)
    return [(tuple(error.absolute_path), _invalid(error)) for error in errors]


def _invalid(error: ValidationError) -> PydanticCustomError:
    word = error.absolute_path[-1] if error.absolute_path else "schema"
    if word == "type" and isinstance(error.instance, str):
        return complaint(f"{shown(error.instance)} is not a type", did_you_mean(error.instance, _TYPES))
    return complaint(f"{shown(error.instance)} cannot be the value of {word}", "see json-schema.org")


def _keyword_faults(schema: Any, place: tuple[str | int, ...]) -> Iterator[Found]:
    if not isinstance(schema, dict):
        return
    for word, value in schema.items():
        here = (*place, word)
        if word not in _KNOWN:
            suggestion = _REFUSED.get(word) or did_you_mean(word, _KNOWN)
            yield (
                here,
                complaint(
                    f"{shown(word)} is not a keyword of JSON Schema that can be used here",
                    suggestion,
                    KEY_COMPLAINT,
                ),
            )
        elif word in _BY_NAME and isinstance(value, dict):
            for name, part in value.items():
                yield from _keyword_faults(part, (*here, name))
        elif word in _LISTS and isinstance(value, list):
            for index, part in enumerate(value):
                yield from _keyword_faults(part, (*here, index))
        elif word in _SINGLE:
            yield from _keyword_faults(value, here)
