"""The reference writes itself: one page per public module, and on it every public name that the module defines.

A page written by hand under docs/reference takes a name over by documenting it there, with `autoclass`, `autofunction`
and so on; it takes a module's introduction over with `automodule`. What no such page documents stands on the generated
pages, docs/reference/modules.md and those in docs/reference/modules, which are made anew at each build. A name that
`crmkit` exports is documented as `crmkit.Name`, all others as `crmkit.module.Name`; a name or a module that begins with
an underscore is not documented.
"""

import ast
import builtins
import re
import shutil
from pathlib import Path

DOCS = Path(__file__).parent
SRC = DOCS.parent / "src"
GENERATED = DOCS / "reference" / "modules"
OVERVIEW = GENERATED.with_suffix(".md")

# The parts of the library, in the order in which a host meets them.
PARTS = {
    "crm": "The CRM",
    "services": "Services: the verbs that a host calls",
    "domain": "Domain: the concepts and their rules",
    "kernel": "Kernel: what concepts are made of",
    "errors": "Errors",
    "storage": "Storage",
    "notify": "Notification",
    "analytics": "Analytics",
    "exchange": "Import and export",
    "testing": "Testing",
    "contrib": "Frameworks",
}

DOCUMENTED = re.compile(r"^\s*\.\. auto(?:class|data|decorator|exception|function|module):: (\S+)", re.MULTILINE)


def modules() -> dict[str, ast.Module]:
    """Read every public module below the package."""
    found = {}
    for path in sorted((SRC / "crmkit").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if len(parts) > 1 and not any(part.startswith("_") for part in parts):
            found[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def exported() -> dict[str, str]:
    """Read what the package exports: the module of each name."""
    tree = ast.parse((SRC / "crmkit" / "__init__.py").read_text(encoding="utf-8"))
    table = next(ast.literal_eval(node.value) for node in tree.body if "_HOMES" in assigned(node))
    return {name: f"crmkit.{home}" for name, home in table.items()}


def assigned(node: ast.stmt) -> list[str]:
    """Give the names that a statement assigns."""
    match node:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def exceptions(tree: ast.Module) -> set[str]:
    """Name the exceptions among a module's classes."""
    found = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)}
    found.add("CRMError")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and bases(node) & found:
            found.add(node.name)
    return found


def bases(node: ast.ClassDef) -> set[str]:
    """Give the plain names of a class's bases."""
    return {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}


def directive(node: ast.stmt, name: str, raised: set[str]) -> str:
    """Document a class, a function or a constant; the value of a constant is shown when it is short."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return f".. autofunction:: {name}"
    if not isinstance(node, ast.ClassDef):
        long = isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call | ast.Dict | ast.Set)
        return f".. autodata:: {name}" + ("\n   :no-value:" if long else "")
    options = ["   :members:"]
    if bases(node) - {"Generic", "Protocol"}:
        options.append("   :show-inheritance:")
    if any(base.endswith(("Enum", "Flag")) for base in bases(node)):
        options.append("   :undoc-members:")
    kind = "autoexception" if node.name in raised else "autoclass"
    return "\n".join([f".. {kind}:: {name}", *options])


def entries(module: str, tree: ast.Module) -> dict[str, str]:
    """Document every public name that a module defines, in the order of its source.

    A class or function is public when `__all__` has it, or when there is no `__all__` and no underscore; a constant is
    public when `__all__` has it or when a docstring follows it.
    """
    homes, raised = exported(), exceptions(tree)
    listed = next((ast.literal_eval(node.value) for node in tree.body if assigned(node) == ["__all__"]), None)
    found: dict[str, str] = {}
    for node, after in zip(tree.body, [*tree.body, None][1:], strict=True):
        told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names, public = [node.name], listed is None
        else:
            names, public = assigned(node), listed is None and told
        for name in names:
            home = homes.get(name) == module
            if home or name in (listed or ()) or (public and not name.startswith("_")):
                full = f"crmkit.{name}" if home else f"{module}.{name}"
                found[full] = directive(node, full, raised)
    return found


def written() -> set[str]:
    """Read what the pages written by hand document."""
    return {name for text in by_hand().values() for name in DOCUMENTED.findall(text)}


def by_hand() -> dict[Path, str]:
    """Read the pages of the reference that are written by hand: the text of each by its path."""
    pages = (page for page in sorted((DOCS / "reference").rglob("*.md")) if GENERATED not in page.parents)
    return {page: page.read_text(encoding="utf-8") for page in pages if page != OVERVIEW}


def generated() -> dict[Path, str]:
    """Compose the generated pages: the text of each by its path."""
    taken = written()
    pages: dict[Path, str] = {}
    parts: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    for module, tree in modules().items():
        body = [text for name, text in entries(module, tree).items() if name not in taken]
        if ast.get_docstring(tree) and module not in taken:
            body.insert(0, f".. automodule:: {module}")
        elif body:
            body.insert(0, f".. currentmodule:: {module}")
        if body:
            part = module.split(".")[1]
            parts.setdefault(part, []).append((module, (ast.get_docstring(tree) or "").partition("\n\n")[0]))
            pages[GENERATED / part / f"{module}.md"] = "\n".join(
                [f"# {module}", "", "```{eval-rst}", "\n\n".join(body), "```", ""]
            )
    index = ["# All modules", "", "Every public name, by the module that defines it.", ""]
    for part, found in parts.items():
        if found:
            index += [f"## {PARTS.get(part, part)}", ""]
            index += [f"- [{module}](modules/{part}/{module}.md): {' '.join(told.split())}" for module, told in found]
            index += [
                "",
                "```{toctree}",
                ":hidden:",
                "",
                *(f"{module.removeprefix('crmkit.')} <modules/{part}/{module}>" for module, _ in found),
                "```",
                "",
            ]
    pages[OVERVIEW] = "\n".join(index)
    return pages


def write() -> None:
    """Write the generated pages anew."""
    pages = generated()
    shutil.rmtree(GENERATED, ignore_errors=True)
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
