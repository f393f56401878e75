"""Every Python example is a test: those in README.md and under docs, and those in the docstrings under src.

The examples of one page share a namespace and run in order, in a directory of their own that is removed
afterwards, so that a page may open `sqlite:///shop.db` and leave nothing behind. A page leaves an example out with
`% skip: next`. Docstring examples see the names of their module. Shell blocks are not run.
"""

import contextlib
import tempfile
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.integration.pytest import SybilFile
from sybil.parsers.myst import ClearNamespaceParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

# A slow machine is no fault of the code: pytest-timeout ends what hangs.
settings.register_profile("crmkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crmkit")

_open: dict[int, contextlib.ExitStack] = {}


def _enter_directory(namespace: dict[str, Any]) -> None:
    stack = _open[id(namespace)] = contextlib.ExitStack()
    place = stack.enter_context(tempfile.TemporaryDirectory(prefix="crmkit-docs-", ignore_cleanup_errors=True))
    stack.enter_context(contextlib.chdir(place))


def _leave_directory(namespace: dict[str, Any]) -> None:
    namespace.clear()
    _open.pop(id(namespace)).close()


pages = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=ELLIPSIS | NORMALIZE_WHITESPACE),
        SkipParser(),
        ClearNamespaceParser(),
    ],
    patterns=["*.md"],
    setup=_enter_directory,
    teardown=_leave_directory,
)
docstrings = Sybil(
    parsers=[DocTestParser(optionflags=ELLIPSIS | NORMALIZE_WHITESPACE)],
    patterns=["src/crmkit/*.py", "src/crmkit/*/*.py", "src/crmkit/*/*/*.py"],
    document_types={".py": PythonDocStringDocument},
    setup=_enter_directory,
    teardown=_leave_directory,
)
pytest_collect_file = (pages + docstrings).pytest()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a page's examples together and in the page's order, after pytest-randomly has shuffled all."""
    groups: dict[object, list[Any]] = {}
    for item in items:
        groups.setdefault(item.parent if isinstance(item.parent, SybilFile) else item, []).append(item)
    for page, group in groups.items():
        if isinstance(page, SybilFile):
            group.sort(key=lambda item: (item.example.line, item.example.column))
    items[:] = [item for group in groups.values() for item in group]
