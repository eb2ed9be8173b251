"""The JSON Schema of the settings says what the settings say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from forwarder.config.schema import schema

README = Path(__file__).parents[3] / "README.md"


def errors(settings: dict[str, Any]) -> list[str]:
    return [error.message for error in Draft202012Validator(schema()).iter_errors(settings)]


def test_it_is_a_schema_that_takes_the_settings_of_the_readme() -> None:
    Draft202012Validator.check_schema(schema())
    [example] = re.findall(r"```toml\n(\[database\].*?)```", README.read_text(), re.DOTALL)

    assert not errors(tomllib.loads(example))


@pytest.mark.parametrize(
    "wrong", [{"nope": {}}, {"listen": {"page_row": 1}}, {"listen": {"page_rows": 0}}, {"sink": [{"name": "a"}]}]
)
def test_it_refuses_what_the_settings_refuse(wrong: dict[str, Any]) -> None:
    assert errors(wrong)
