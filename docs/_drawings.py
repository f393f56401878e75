"""The drawings on the pages, made by crmkit itself: `python docs/_drawings.py` draws them anew.

A test draws them as well, and fails when a committed drawing is not what the machine draws now.
"""

import re
import tempfile
from contextlib import chdir
from pathlib import Path

from crmkit import LIFECYCLE, to_svg

DOCS = Path(__file__).parent

PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def drawn() -> dict[Path, str]:
    """Draw every drawing: its text by its path."""
    tutorial = DOCS / "tutorial"
    return {
        DOCS / "explanation" / "relationship-lifecycle.svg": to_svg(LIFECYCLE),
        tutorial / "subscription.svg": drawn_on(tutorial / "a-lifecycle-of-your-own.md", "subscription.svg"),
    }


def drawn_on(page: Path, name: str) -> str:
    """Run the examples of a page up to the one that writes a drawing, and give what it wrote."""
    examples = PYTHON.findall(page.read_text(encoding="utf-8"))
    wanted = next(number for number, example in enumerate(examples) if f'"{name}"' in example)
    namespace: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as place, chdir(place):
        for example in examples[: wanted + 1]:
            if not example.startswith(">>>"):
                exec(example, namespace)  # noqa: S102 - the page is ours, and the tests run it too
        return Path(name).read_text(encoding="utf-8")


if __name__ == "__main__":
    for path, text in drawn().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(DOCS.parent))  # noqa: T201
