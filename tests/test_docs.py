"""The reference holds every public name, on a page written by hand or on a generated one."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

import crmkit

DOCS = Path(__file__).parents[1] / "docs"

spec = importlib.util.spec_from_file_location("_reference", DOCS / "_reference.py")
assert spec
assert spec.loader
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


def sources() -> str:
    """Join the pages of the reference: those written by hand, and those that a build would generate."""
    return "\n".join([*reference.by_hand().values(), *reference.generated().values()])


def test_every_public_name_is_in_the_reference_once() -> None:
    described = re.findall(r"^\.\. (?:auto|py:)\w+:: (crmkit\.\w+)$", sources(), re.MULTILINE)
    assert sorted(name for name in described if name.removeprefix("crmkit.") in crmkit.__all__) == [
        f"crmkit.{name}" for name in crmkit.__all__
    ]


def test_every_public_module_is_in_the_reference() -> None:
    described = set(re.findall(r"^\.\. \w+module:: (\S+)$", sources(), re.MULTILINE))
    named = {name for name, tree in reference.modules().items() if reference.entries(name, tree)}
    assert named <= described
    assert "crmkit.errors" in named


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("class Tie: ...\ndef _private(): ...", ["Tie"]),
        ("def begin(): ...\nLIMIT = 3\nHours = int\n'''How long.'''", ["begin", "Hours"]),
        ("__all__ = ['LIMIT', 'begin']\ndef begin(): ...\ndef inner(): ...\nLIMIT = 3", ["begin", "LIMIT"]),
        ("from crmkit.errors import NotFound", []),
    ],
)
def test_what_a_module_makes_public(source: str, names: list[str]) -> None:
    assert list(reference.entries("crmkit.odd", ast.parse(source))) == [f"crmkit.odd.{name}" for name in names]


def test_a_new_page_appears_in_the_table_of_contents_of_its_section() -> None:
    for section in ("tutorial", "how-to", "explanation", "reference"):
        index = (DOCS / section / "index.md").read_text(encoding="utf-8")
        assert ":glob:" in index
        assert "\n*\n" in index
