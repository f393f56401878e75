"""How Sphinx builds these pages; `python3 dev.py docs` builds them into docs/_build/html."""

import builtins
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import _reference
from sphinx.addnodes import pending_xref, pending_xref_condition
from sphinx.domains.python import PyObject
from sphinx.util import logging

import crmkit

logger = logging.getLogger(__name__)

project = "crmkit"
author = "crmkit contributors"
copyright = "crmkit contributors"
version = release = crmkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "crmkit"
html_static_path = ["_static"]
html_css_files = ["crmkit.css"]
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
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
    (r"py:.*", r"crmkit\.(?:\w+\.)*_\w+.*"),  # private
    (r"py:.*", r"(?:[\w.]+\.)?(?:[A-Z]\d?|[A-Z]\w*T|[A-Z]_co|[A-Z]_contra|P\.args|P\.kwargs)"),  # type variables
]


def show_markdown(app, what, name, obj, options, lines):
    """Show an indented block after a paragraph as code, as Markdown does; no words before a colon are a type."""
    for number in range(len(lines) - 1, 1, -1):
        before, blank, line = lines[number - 2], lines[number - 1], lines[number]
        if line.startswith("    ") and not blank and re.match(r"[^\s.\-*:]", before) and not before.endswith("::"):
            lines[number - 1 : number] = ["", "::", ""]
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # an empty comment


def show_signature(app, what, name, obj, options, signature, returns):
    """Leave attrs' mark of a default that a factory makes out of the signature."""
    return (signature and re.sub(r"\b(?:attrs?\.)?NOTHING\b", "…", signature)), returns


def leave_builtins_alone(app, doctree):
    """Keep `type` in a signature from becoming a link to something of crmkit's that is called type."""
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
    app.connect("autodoc-process-docstring", show_markdown, priority=100)
    app.connect("autodoc-process-signature", show_signature)
    app.connect("doctree-read", leave_builtins_alone)
    app.connect("env-check-consistency", check_reference)
