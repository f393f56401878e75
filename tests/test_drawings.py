"""The drawings on the pages are what the machines draw now."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
REDRAW = "PYTHONPATH=src .venv/bin/python docs/_drawings.py"

spec = importlib.util.spec_from_file_location("_drawings", DOCS / "_drawings.py")
assert spec
assert spec.loader
drawings = importlib.util.module_from_spec(spec)
spec.loader.exec_module(drawings)


@pytest.mark.parametrize(("path", "text"), drawings.drawn().items(), ids=lambda value: getattr(value, "name", ""))
def test_a_committed_drawing_is_what_is_drawn_now(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date; to draw it anew: {REDRAW}"


def test_no_drawing_is_left_over() -> None:
    pages = [page for page in DOCS.rglob("*.svg") if "_build" not in page.parts]
    assert sorted(pages) == sorted(drawings.drawn())


@pytest.mark.parametrize("path", drawings.drawn(), ids=lambda path: path.name)
def test_a_page_shows_the_drawing(path: Path) -> None:
    assert any(path.name in page.read_text(encoding="utf-8") for page in path.parent.glob("*.md"))
