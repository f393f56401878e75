"""What `import crmkit` gives: public names that are complete, sorted and loaded when first used."""

import ast
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import crmkit
from crmkit import errors

PACKAGE = Path(crmkit.__file__).parent

# The three that crmkit needs, with what they bring.
CORE = {"attr", "attrs", "cattr", "cattrs", "dateutil", "six", "typing_extensions", "tzdata"}


def fresh(code: str) -> object:
    """Run code in a new interpreter, and give what it printed as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def names_for_type_checkers() -> dict[str, str]:
    """Read the imports under TYPE_CHECKING: each name and the module that it comes from."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {
        alias.asname or alias.name: str(node.module).removeprefix("crmkit.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_public_names_are_sorted_and_each_is_listed_once() -> None:
    assert crmkit.__all__ == sorted(set(crmkit.__all__))


def test_the_three_lists_of_public_names_agree() -> None:
    assert names_for_type_checkers() == crmkit._HOMES
    assert set(crmkit.__all__) == {*crmkit._HOMES, "__version__"}


@pytest.mark.parametrize("name", [*crmkit._HOMES])
def test_every_public_name_is_found_where_it_lives(name: str) -> None:
    home = importlib.import_module(f"crmkit.{crmkit._HOMES[name]}")
    value = crmkit.__getattr__(name)
    assert value is getattr(home, name) is getattr(crmkit, name)
    assert getattr(value, "__module__", home.__name__) in {home.__name__, None} or not isinstance(value, type)


def test_every_error_is_public() -> None:
    def tree(cls: type) -> set[str]:
        return {cls.__name__}.union(
            *(tree(below) for below in cls.__subclasses__() if below.__module__ == errors.__name__)
        )

    assert tree(errors.CRMError) <= set(crmkit.__all__)


def test_a_name_that_does_not_exist_is_told() -> None:
    with pytest.raises(AttributeError, match="module 'crmkit' has no attribute 'Custmer'"):
        crmkit.Custmer  # noqa: B018


def test_dir_shows_every_name_before_it_is_loaded() -> None:
    assert set(crmkit.__all__) <= {*dir(crmkit)}
    assert fresh("import crmkit, json; print(json.dumps(sorted(set(crmkit.__all__) - set(dir(crmkit)))))") == []


def test_a_star_import_gives_every_public_name() -> None:
    space: dict[str, object] = {}
    exec("from crmkit import *", space)
    assert set(crmkit.__all__) <= set(space)


def test_importing_crmkit_loads_nothing_but_the_core_dependencies() -> None:
    loaded = fresh(
        "import sys; before = {*sys.modules}; import crmkit, json;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in {*sys.modules} - before})))"
    )
    assert set(loaded) - set(sys.stdlib_module_names) - CORE == {"crmkit"}


def test_a_public_name_is_loaded_when_it_is_first_used() -> None:
    loaded = fresh(
        "import sys, json, crmkit; before = 'crmkit.errors' in sys.modules; crmkit.NotFound;"
        "print(json.dumps([before, 'crmkit.errors' in sys.modules, 'NotFound' in vars(crmkit)]))"
    )
    assert loaded == [False, True, True]


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_version_is_that_of_the_installed_package() -> None:
    assert crmkit.__version__ == importlib.metadata.version("crmkit")


def test_the_core_dependencies_are_the_three() -> None:
    required = importlib.metadata.requires("crmkit") or []
    assert {line.partition(">=")[0] for line in required if "extra ==" not in line} == {
        "attrs",
        "cattrs",
        "python-dateutil",
    }
