"""How Sphinx builds these pages; `python3 dev.py docs` builds them into docs/_build/html."""

import ast
import builtins
import contextlib
import re
import sys
import textwrap
from enum import EnumType
from pathlib import Path
from typing import get_type_hints

sys.path.insert(0, str(Path(__file__).parent))

import _reference
import attrs
from docutils.nodes import Text
from sphinx.addnodes import literal_strong, pending_xref, pending_xref_condition
from sphinx.domains.python import PyObject
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.inspect import object_description

import crmkit

# A paragraph at the left edge, and the indented block after it.
BLOCK = re.compile(r"^(\S.*)\n\n((?:    .*(?:\n|\Z)|\n(?=\n*    ))+)", re.MULTILINE)

# A default that is longer is not shown.
LONGEST_DEFAULT = 40

# Where each exported name lives.
HOMES = _reference.exported()

logger = logging.getLogger(__name__)

project = "crmkit"
author = "crmkit contributors"
copyright = "crmkit contributors"
version = release = crmkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

smartquotes = False

html_theme = "furo"
html_title = "crmkit"
html_static_path = ["_static"]
html_css_files = ["crmkit.css"]
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signature says it
default_role = "code"  # docstrings are written as plain Markdown: `name` is code
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Names of other projects cannot be looked up offline. Names of crmkit have to exist.
OTHERS = sorted({*sys.stdlib_module_names, "attr", "attrs", "cattrs", "dateutil", "hypothesis", "pytest", "sqlalchemy"})
nitpick_ignore_regex = [
    (r"py:.*", rf"(?:{'|'.join(OTHERS)})\b.*"),
    (r"py:.*", r"(?:date|datetime|time|timedelta|Callable|Decimal|Iterator|Mapping|Sequence)"),  # in unread annotations
    (r"py:.*", r"(?:crmkit\.(?:\w+\.)*)?_\w+.*"),  # private
    (r"py:.*", r"(?:[\w.]+\.)?(?:[A-Z]\d?|[A-Z]\w*T|[A-Z]_co|[A-Z]_contra|P\.args|P\.kwargs)"),  # type variables
]


def tell_constants(app, what, name, obj, options, lines):
    """Give a constant the docstring that follows it in its own module: the package only passes it on."""
    module, _, own = name.rpartition(".")
    if what == "data" and module == "crmkit" and (home := HOMES.get(own)):
        analyzer = ModuleAnalyzer.for_module(home)
        analyzer.analyze()
        lines[:] = analyzer.attr_docs.get(("", own), [""])


def show_markdown(app, what, name, obj, options, lines):
    """Show an indented block after a paragraph as code, as Markdown does; no words before a colon are a type."""
    text = "\n".join(lines)
    lines[:] = BLOCK.sub(mark_block, text).split("\n")
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # an empty comment


def mark_block(found):
    """Mark a block as Python if it is Python, and as text if not."""
    before, block = found.groups()
    if before.endswith("::") or before.startswith((".", "-", "*", ":")):
        return found[0]
    try:
        ast.parse(textwrap.dedent(block))
    except SyntaxError:
        return f"{before}\n\n.. code-block:: text\n\n{block}"
    return f"{before}\n\n.. code-block:: python\n\n{block}"


def resolve_annotations(app, init, bound):
    """Read the annotations of an attrs class where each was written: the class may inherit fields of another module."""
    cls = getattr(sys.modules.get(init.__module__), init.__qualname__.removesuffix(".__init__"), None)
    if isinstance(cls, type) and attrs.has(cls):
        with contextlib.suppress(NameError):
            init.__annotations__ |= {
                name: hint for name, hint in get_type_hints(cls).items() if name in init.__annotations__
            }


def join_names(app, what, name, obj, options, lines):
    """Keep `year, month: …` under Attributes together: Sphinx would take the first name for a type."""
    lines[:] = [re.sub(r"^:ivar [^:]+:", lambda found: found[0].replace(", ", ","), line) for line in lines]


def show_signature(app, what, name, obj, options, signature, returns):
    """Leave out what is for the machine: long and made defaults, the marks of an annotation, how an enum is made."""
    if signature and isinstance(obj, EnumType):
        return "", ""

    def default(found):
        value = attrs.fields_dict(obj)[found[1]].default
        text = "..." if value is attrs.NOTHING or isinstance(value, attrs.Factory) else object_description(value)
        return text if len(text) <= LONGEST_DEFAULT and "<" not in text else "..."

    return show_types(re.sub(r"attr_dict\['(\w+)'\]\.default", default, signature or "")), show_types(returns)


def show_types(text):
    """Shorten `Annotated[X, …]` to `X`, and attrs' `NOTHING` to `...`."""
    text = re.sub(r"\b(?:attrs?\.)?NOTHING\b", "...", text or "")
    while found := re.search(r"(?:~?\btyping\.|~)?\bAnnotated\[", text):
        depth, comma = 0, None
        for end, letter in enumerate(text[found.end() :], found.end()):
            if letter == "]" and not depth:
                break
            comma = end if letter == "," and not depth and comma is None else comma
            depth += (letter in "[({") - (letter in "])}")
        text = text[: found.start()] + text[found.end() : comma] + text[end + 1 :]
    return text or None


def polish(app, doctree):
    """Write proper dashes; keep `type` in a signature from becoming a link to something of crmkit's of that name."""
    for dash in [*doctree.findall(lambda node: isinstance(node, Text) and node == " -- ")]:
        dash.parent.replace(dash, Text(" – "))
    for names in [*doctree.findall(literal_strong)]:
        names[:] = [Text(names.astext().replace(",", ", "))]
    for link in [*doctree.findall(pending_xref)]:
        if link.get("refdomain") == "py" and hasattr(builtins, link["reftarget"]):
            short = [
                *link.findall(lambda node: isinstance(node, pending_xref_condition) and node["condition"] == "resolved")
            ]
            link.replace_self(short[0].children if short else link.children)


def write_reference(app):
    """Write the generated pages of the reference."""
    _reference.write()


def check_reference(app, env):
    """Refuse a reference that leaves a public name out."""
    described = {*env.domains.python_domain.objects}
    for name in crmkit.__all__:
        if f"crmkit.{name}" not in described:
            logger.warning("crmkit.%s is public, and is not in the reference", name, type="crmkit")


def setup(app):
    """Connect the above, let a section be without pages, and say Attributes where Sphinx says Variables."""
    toctree = logging.getLogger("sphinx.directives.other").logger
    toctree.addFilter(lambda record: getattr(record, "subtype", "") != "empty_glob")
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-process-docstring", tell_constants, priority=50)
    app.connect("autodoc-process-docstring", show_markdown, priority=100)
    app.connect("autodoc-process-docstring", join_names, priority=900)
    app.connect("autodoc-before-process-signature", resolve_annotations)
    app.connect("autodoc-process-signature", show_signature)
    app.connect("doctree-read", polish)
    app.connect("env-check-consistency", check_reference)
