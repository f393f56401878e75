"""The layers of crmkit: which folder may import which. The tables below are the documentation.

Imports are read from the source, also those inside functions and under TYPE_CHECKING, so that nothing hides.
"""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

# A folder or module imports from its own row's name and from the rows above, never from its neighbours in a row.
LAYERS = (
    {"errors"},
    {"kernel"},
    {"domain", "storage", "notify"},
    {"services", "analytics"},
    {"crm"},
    {"exchange", "contrib", "testing"},
)
LEVEL = {name: level for level, row in enumerate(LAYERS) for name in row}

# What is installed with crmkit, and from which folder up it may be imported.
CORE = {"attr", "attrs", "cattrs", "dateutil"}
# What an extra brings, by the folder or module that may import it.
EXTRAS = {
    "storage": {"sqlalchemy"},
    "testing": {"hypothesis", "pytest"},
}

# The domain is pure: instants, ids and chance are handed in.
IMPURE = {
    "asyncio",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
    "uuid",
}
CLOCKS = {"now", "today", "utcnow"}

# Modules of the domain that are no concept, and that every concept may import.
SHARED = {"words"}

# Concepts refer to each other by id. A concept is a file of the domain, or a folder of files that may know each other.

Sources = dict[str, str]  # the source by the dotted name of its module
Import = tuple[str, str, int]  # importer, imported, line


def read_sources() -> Sources:
    """Read the library: every module's source by its name; a package goes by its own name."""
    sources = {}
    for path in sorted((SRC / "crmkit").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


def packages(sources: Sources) -> set[str]:
    return {name.rpartition(".")[0] for name in sources} - {""}


def imports(sources: Sources) -> list[Import]:
    """List every import; `from package import module` counts for the module, not for the package."""
    found: list[Import] = []
    for module, source in sources.items():
        home = module.split(".") if module in packages(sources) else module.split(".")[:-1]
        for node in ast.walk(ast.parse(source, module)):
            match node:
                case ast.Import(names=names):
                    found += [(module, name.name, node.lineno) for name in names]
                case ast.ImportFrom(module=start, names=names, level=level):
                    base = (
                        ".".join([*home[: len(home) - level + 1], *([start] if start else [])]) if level else str(start)
                    )
                    targets = {f"{base}.{name.name}" if f"{base}.{name.name}" in sources else base for name in names}
                    if base == "crmkit" and [name.name for name in names] == ["__version__"]:
                        continue
                    found += [(module, target, node.lineno) for target in sorted(targets)]
                case ast.Call(func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module")):
                    match node.args:
                        case [ast.Constant(value=str(target)), *_]:
                            found.append((module, target, node.lineno))
    return found


def layer(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def fault(sources: Sources, importer: str, imported: str) -> str | None:
    """Tell which rule an import breaks, if any."""
    mine, top = layer(importer), imported.partition(".")[0]
    if importer == "crmkit":
        return None if top == "crmkit" or top in sys.stdlib_module_names else "the package itself imports lazily"
    if mine not in LEVEL:
        return f"{mine!r} stands in no layer; add it to the table"
    if top != "crmkit":
        if mine == "domain" and top in IMPURE:
            return f"the domain is pure, {top} is not"
        allowed = top in sys.stdlib_module_names or (top in CORE and mine != "errors") or top in EXTRAS.get(mine, set())
        return None if allowed else f"{mine} may not use {top}"
    if imported == "crmkit":
        return "inside the library a name is imported from the module that it lives in"
    other = layer(imported)
    if other not in LEVEL:
        return f"{other!r} stands in no layer; add it to the table"
    if mine != other:
        return None if LEVEL[other] < LEVEL[mine] else f"{mine} may not know {other}"
    strangers = mine == "domain" and concept(importer) != concept(imported) and concept(imported) not in SHARED
    return "concepts do not import each other" if strangers else None


def concept(module: str) -> str:
    """Give the concept that a module of the domain belongs to: its file, or its folder."""
    return module.split(".")[2] if module.count(".") > 1 else ""


def clock_calls(sources: Sources) -> list[str]:
    """List where the domain reads the clock."""
    return [
        f"{module}:{node.lineno}: the domain is pure, and reads no clock"
        for module, source in sources.items()
        if layer(module) == "domain"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCKS
        and ast.unparse(node.value).rpartition(".")[2] in {"date", "datetime"}
    ]


def cycle(sources: Sources) -> list[str]:
    """Give a circle of imports, if there is one."""
    graph: dict[str, set[str]] = {module: set() for module in sources}
    for importer, imported, _ in imports(sources):
        if importer != "crmkit" and imported in sources:
            graph[importer].add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def faults(sources: Sources) -> list[str]:
    """List everything that breaks a rule of this file."""
    broken = [
        f"{importer}:{line}: imports {imported}: {why}"
        for importer, imported, line in imports(sources)
        if (why := fault(sources, importer, imported))
    ]
    return broken + clock_calls(sources) + cycle(sources)


def test_the_library_keeps_its_layers() -> None:
    sources = read_sources()
    assert "crmkit.errors" in sources
    assert faults(sources) == []


HOUSE = {
    "crmkit": "",
    "crmkit.errors": "",
    "crmkit.kernel": "",
    "crmkit.kernel.money": "",
    "crmkit.kernel.record": "",
    "crmkit.domain": "",
    "crmkit.domain.cases": "",
    "crmkit.domain.customers": "",
    "crmkit.domain.customers.customer": "",
    "crmkit.domain.customers.facts": "",
    "crmkit.domain.words": "",
    "crmkit.storage": "",
    "crmkit.storage.memory": "",
    "crmkit.services": "",
    "crmkit.services.customers": "",
    "crmkit.crm": "",
    "crmkit.testing": "",
}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("kernel.money", "import attrs, decimal\nfrom crmkit.errors import Invalid"),
        ("kernel.record", "from .money import Money"),
        ("domain.cases", "from datetime import datetime, time\nfrom ..kernel import record"),
        ("storage.memory", "def load():\n    import sqlalchemy"),
        ("services.customers", "from crmkit.domain import customers\nfrom crmkit.storage import memory"),
        ("testing", "from crmkit import __version__\nimport pytest"),
        ("domain.cases", "from crmkit.domain.words import Channel"),
        ("domain.customers.customer", "from crmkit.domain.customers.facts import Fact"),
        ("domain.cases", "def rule(at):\n    return at.date(), at.now"),
    ],
)
def test_what_the_layers_allow(module: str, source: str) -> None:
    assert faults(HOUSE | {f"crmkit.{module}": source}) == []


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("errors", "import attrs", "errors may not use attrs"),
        ("errors", "import crmkit.kernel.money", "errors may not know kernel"),
        ("kernel.money", "import sqlalchemy", "kernel may not use sqlalchemy"),
        ("kernel.money", "from crmkit import CRM", "imported from the module that it lives in"),
        ("kernel.money", "from ..domain.cases import Case", "kernel may not know domain"),
        ("kernel.money", "def f():\n    from crmkit.domain import cases", "kernel may not know domain"),
        ("kernel.money", "import importlib\nimportlib.import_module('crmkit.crm')", "kernel may not know crm"),
        (
            "domain.cases",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import crmkit.storage.memory",
            "storage",
        ),
        ("domain.cases", "from .customers import Customer", "concepts do not import each other"),
        ("domain.cases", "from crmkit.domain import customers", "concepts do not import each other"),
        ("domain.cases", "import time", "the domain is pure, time is not"),
        ("domain.cases", "from os import environ", "the domain is pure, os is not"),
        ("domain.cases", "from datetime import date\nnow = date.today()", "reads no clock"),
        ("domain.cases", "import datetime\nnow = datetime.datetime.now(datetime.UTC)", "reads no clock"),
        ("domain.cases", "from datetime import datetime\nclock = datetime.utcnow", "reads no clock"),
        ("storage.memory", "from crmkit.domain.customers.customer import Customer", "storage may not know domain"),
        ("storage.memory", "import hypothesis", "storage may not use hypothesis"),
        ("services.customers", "import crmkit.crm", "services may not know crm"),
        ("crm", "from crmkit.testing import clock", "crm may not know testing"),
        ("odds", "", "stands in no layer"),
    ],
)
def test_what_the_layers_refuse(module: str, source: str, why: str) -> None:
    house = HOUSE | {f"crmkit.{module}": source or "import crmkit.errors"}
    assert [found for found in faults(house) if why in found]


def test_a_circle_of_imports_is_found() -> None:
    house = HOUSE | {
        "crmkit.kernel.money": "from .record import Record",
        "crmkit.kernel.record": "def f():\n    from crmkit.kernel import money",
    }
    assert [found for found in faults(house) if "crmkit.kernel.money imports crmkit.kernel.record" in found]
