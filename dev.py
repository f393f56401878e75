"""One entry to everything: `python3 dev.py demo`, `python3 dev.py test`, `python3 dev.py --help`.

Needs nothing but Python 3.11 and its pip (or ensurepip). What a task needs is installed into .venv from the pinned,
hashed files in requirements/, once; afterwards a task starts at once.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit("crmkit needs Python 3.11 or newer, and this is %d.%d: run python3.11 dev.py" % sys.version_info[:2])  # noqa: UP031

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"

# Which dependency groups of pyproject.toml hold which others, and the extras that all of them install.
GROUPS = {
    "run": ("run", "test", "lint", "docs", "bench", "dev"),
    "test": ("test", "lint", "docs", "dev"),
    "lint": ("lint", "dev"),
    "docs": ("docs", "dev"),
    "bench": ("bench", "dev"),
    "dev": ("dev",),
}
EXTRAS = "sql,rich"

VERSIONS = ("3.11", "3.12", "3.13")
RESOLUTIONS = {
    "newest": ["--resolution", "highest"],
    "lowest": ["--resolution", "lowest-direct"],
    "newest-dateutil-2.9": ["--resolution", "highest", "python-dateutil==2.9.0.post0"],
}

# Written so that this file does not match itself.
HOSTS = re.compile(
    r"pypi[.](?:org|io)|pythonhosted[.]|npmjs[.](?:org|com)|yarnpkg[.]|anaconda[.]org|deb[.]debian[.]|crates[.]io"
)
PLACES = re.compile(r"(?<![\w./:-])/(?:work|root|home|opt|tmp)/[\w.]")

Step = tuple[str, Callable[[], None]]


class Failed(Exception):
    """A step failed; the message says what to look at."""


# ---------------------------------------------------------------------------------------------- running


def perform(steps: list[Step]) -> None:
    """Run steps in order, stop at the first that fails, and say at the end how each one went."""
    lines: list[str] = []
    failure = ""
    for title, step in steps:
        if failure:
            lines.append(f"  not run  {title}")
            continue
        print(f"\n==> {title}", flush=True)
        began = time.monotonic()
        try:
            step()
        except Failed as error:
            failure = f"{title}: {error}"
        lines.append(f"  {'FAILED' if failure else 'ok':7}  {title}  ({time.monotonic() - began:.1f} s)")
    if len(steps) > 1 or failure:
        print("\nSummary\n" + "\n".join(lines), flush=True)
    if failure:
        sys.exit(f"\nFAILED: {failure}")


def execute(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = ROOT) -> None:
    """Run a command, its output in plain sight."""
    done = subprocess.run([*map(str, command)], cwd=cwd, env={**os.environ, **(env or {})}, check=False)
    if done.returncode:
        raise Failed(f"exit status {done.returncode} of {' '.join(map(str, command))}")


def ask(*command: str | Path) -> str:
    """Run a command for what it prints; nothing if it fails."""
    try:
        done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()


def python_of(place: Path) -> Path:
    """Give the Python of an environment."""
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def python(*arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = ROOT) -> None:
    """Run the environment's Python."""
    execute(python_of(VENV), *arguments, env=env, cwd=cwd)


# ---------------------------------------------------------------------------------------------- installing


def environment(place: Path) -> Path:
    """Make a virtual environment, or keep the one that is there if its Python is new enough."""
    found = ask(
        python_of(place), "-c", "import sys; print(sys.version_info >= (3, 11) and sys.prefix != sys.base_prefix)"
    )
    if found != "True":
        print(f"making {place.name} with Python {sys.version.split()[0]}", flush=True)
        venv.create(place, clear=place.exists(), with_pip=False, symlinks=os.name != "nt")
    return python_of(place)


def pip(place: Path, *arguments: str | Path) -> None:
    """Install into an environment: with this Python's pip, or with one that ensurepip puts there."""
    own = importlib.metadata.version("pip") if importlib.util.find_spec("pip") else "0"
    if [int(part) for part in re.findall(r"\d+", own)[:2]] >= [22, 3]:
        command = [sys.executable, "-m", "pip", "--python", python_of(place)]
    else:
        command = [python_of(place), "-m", "pip"]
        if not ask(*command, "--version") and not ask(python_of(place), "-m", "ensurepip", "--upgrade"):
            raise Failed("this Python has neither pip nor ensurepip; on Debian: apt-get install python3-pip")
    env = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    execute(*command, "install", "-qq", *arguments, env=env)


def fingerprint(group: str) -> str:
    """Identify what an installed group was made from."""
    version = re.search(r"^__version__.*$", (ROOT / "src/crmkit/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    parts = [
        (REQUIREMENTS / f"{group}.txt").read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        (version[0] if version else "").encode(),
        str(ROOT).encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def need(group: str) -> None:
    """Install a dependency group and crmkit itself, unless that is done."""

    def stamp(name: str) -> Path:
        return VENV / f"crmkit-{name}.stamp"

    if python_of(VENV).exists():
        for holder in GROUPS[group]:
            if stamp(holder).exists() and stamp(holder).read_text() == fingerprint(holder):
                return
    began = time.monotonic()
    print(f"==> installing what {group!r} needs into .venv", flush=True)
    try:
        environment(VENV)
        pip(VENV, "--require-hashes", "-r", REQUIREMENTS / f"{group}.txt")
        pip(VENV, "--no-deps", "--no-build-isolation", "--editable", ".")
    except Failed as error:
        sys.exit(f"\nFAILED: installing: {error}")
    stamp(group).write_text(fingerprint(group))
    print(f"    done in {time.monotonic() - began:.1f} s", flush=True)


def uv(*arguments: str | Path) -> None:
    """Run uv, which resolves dependencies; it lives in an environment of its own."""
    place = ROOT / ".venv-tools"
    if not ask(python_of(environment(place)), "-m", "uv", "--version"):
        pip(place, "uv>=0.9")
    execute(python_of(place), "-m", "uv", *arguments, env={"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"})


# ---------------------------------------------------------------------------------------------- tasks


def demo(arguments: argparse.Namespace, more: list[str]) -> None:
    """Run the example program on real data; further arguments go to it."""
    need("run")
    done = subprocess.run([python_of(VENV), ROOT / "examples/cdnow/demo.py", *more], check=False)
    sys.exit(done.returncode)


def run_tests(more: list[str], *, coverage: bool) -> Iterator[Step]:
    """Give the steps of a test run."""
    if not coverage:
        yield "tests, with the examples of the documentation", lambda: python("-m", "pytest", *more)
        return

    def measured() -> None:
        python("-m", "coverage", "erase")
        python("-m", "coverage", "run", "-m", "pytest", *more)

    def gate() -> None:
        python("-m", "coverage", "combine", "--quiet")
        python("-m", "coverage", "report")

    yield "tests, with the examples of the documentation", measured
    yield "coverage", gate


def test(arguments: argparse.Namespace, more: list[str]) -> None:
    """Run the tests and the documentation's examples; further arguments go to pytest."""
    need("test")
    perform([*run_tests(more, coverage=arguments.coverage)])


def lint(arguments: argparse.Namespace, more: list[str]) -> None:
    """Check format and style with ruff; --fix repairs what can be repaired."""
    need("lint")
    perform([*run_lint(fix=arguments.fix)])


def run_lint(*, fix: bool = False) -> Iterator[Step]:
    """Give the steps of a style check."""
    yield "format (ruff)", lambda: python("-m", "ruff", "format", *([] if fix else ["--check", "--diff"]), ".")
    yield "style (ruff)", lambda: python("-m", "ruff", "check", *(["--fix"] if fix else []), ".")


def types(arguments: argparse.Namespace, more: list[str]) -> None:
    """Check types with mypy and pyright, both strict."""
    need("lint")
    perform([*run_types()])


def run_types() -> Iterator[Step]:
    """Give the steps of a type check."""
    yield "types (mypy)", lambda: python("-m", "mypy")
    yield "types (pyright)", lambda: python("-m", "pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


def docs(arguments: argparse.Namespace, more: list[str]) -> None:
    """Build the documentation into docs/_build/html, warnings as errors."""
    need("docs")
    perform([("documentation", build_docs)])


def build_docs() -> None:
    """Build the documentation from nothing."""
    out = ROOT / "docs/_build"
    shutil.rmtree(out, ignore_errors=True)
    python("-m", "sphinx", "-nW", "--keep-going", "--quiet", "-b", "html", "-d", out / "doctrees", "docs", out / "html")
    print(f"{(out / 'html/index.html').relative_to(ROOT)} is ready")


def bench(arguments: argparse.Namespace, more: list[str]) -> None:
    """Run the benchmarks, or those named; further arguments go to them."""
    need("bench")
    scripts = {path.stem: path for path in sorted((ROOT / "benchmarks").glob("*.py")) if "__main__" in path.read_text()}
    names = [argument for argument in more if argument in scripts] or [*scripts]
    rest = [argument for argument in more if argument not in scripts]
    perform([(f"benchmark {name}", lambda name=name: python(scripts[name], *rest)) for name in names])


def project_files() -> list[Path]:
    """List the files that git tracks or would take in; without git, everything but what is hidden or built."""
    listed = ask("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    if listed:
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    skipped = {"build", "dist", "_build", "__pycache__"}
    return [ROOT / path for path in found if not any(part[0] == "." or part in skipped for part in path.parts)]


def check_files() -> None:
    """Refuse a file that names a package registry or a place on this machine."""
    here = {str(ROOT), os.path.expanduser("~")} - {"/"}  # noqa: PTH111 - Path.home() fails where there is no home
    found: list[str] = []
    for path in sorted(project_files()):
        data = path.read_bytes()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            pinned = path.parent == REQUIREMENTS and "://" in line
            if pinned or HOSTS.search(line) or PLACES.search(line) or any(place + "/" in line for place in here):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    if found:
        raise Failed("names a package registry or a place on a machine:\n  " + "\n  ".join(found))
    print("no file names a package registry or a place on this machine")


def check(arguments: argparse.Namespace, more: list[str]) -> None:
    """Run every check, the tests included."""
    need("lint")
    need("docs")
    steps = [
        *run_lint(),
        *run_types(),
        ("layers", lambda: python("-m", "pytest", "--quiet", "tests/test_layers.py")),
        ("names in files", check_files),
        ("documentation", build_docs),
    ]
    perform(steps if arguments.no_tests else [*steps, *run_tests(more, coverage=True)])


def lock(arguments: argparse.Namespace, more: list[str]) -> None:
    """Pin the dependencies of every group in requirements/; --upgrade takes newer versions."""
    REQUIREMENTS.mkdir(exist_ok=True)

    def pin(group: str) -> None:
        target = REQUIREMENTS / f"{group}.txt"
        options = ["--universal", "--python-version", VERSIONS[0], "--generate-hashes", "--no-header", "--no-annotate"]
        extras = [f"--extra={extra}" for extra in EXTRAS.split(",")]
        if group != "dev":
            options += ["--constraint", "requirements/dev.txt"]
        elif arguments.upgrade:
            options += ["--upgrade"]
        uv("pip", "compile", "--quiet", *options, *extras, "--group", group, "pyproject.toml", "-o", target)
        if "://" in target.read_text(encoding="utf-8"):
            raise Failed(f"{target.name} holds an address")

    perform([(f"requirements/{group}.txt", lambda group=group: pin(group)) for group in reversed(GROUPS)])


def find_python(version: str) -> Path | None:
    """Find a Python of a version: this one, one on PATH, or one of pyenv's."""
    own = [sys.executable] if sys.version.startswith(version + ".") else []
    path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path(os.path.expanduser("~/.pyenv")))  # noqa: PTH111
    several = sorted((pyenv / "versions").glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in [*own, *([path] if path else []), *several]:
        if ask(candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == version:
            return Path(candidate)
    return None


def versions(arguments: argparse.Namespace, more: list[str]) -> None:
    """Run the tests on every Python found, with the newest and the lowest dependencies; --quick: once on each."""
    places = {version: find_python(version) for version in VERSIONS}
    found = {version: place for version, place in places.items() if place}
    for version in VERSIONS:
        print(f"Python {version}: {found.get(version, 'MISSING, not tested')}")
    if not found:
        sys.exit("FAILED: no Python to test with")

    def on(version: str, dependencies: str) -> None:
        place = ROOT / f".venv-{version}-{dependencies}"
        uv("venv", "--quiet", "--clear", "--python", found[version], place)
        install = ["pip", "install", "--quiet", "--python", python_of(place)]
        if dependencies == "pinned":
            uv(*install, "--require-hashes", "-r", REQUIREMENTS / "test.txt")
            uv(*install, "--no-deps", "--no-build-isolation", "--editable", ".")
        else:
            uv(*install, *RESOLUTIONS[dependencies], "--group", "test", "--editable", f".[{EXTRAS}]")
        names = ["attrs", "cattrs", "python-dateutil", "sqlalchemy", "pytest", "hypothesis"]
        show = f"from importlib.metadata import version; print(*(n + ' ' + version(n) for n in {names}), sep=', ')"
        print(ask(python_of(place), "-c", show), flush=True)
        execute(python_of(place), "-m", "pytest", "--quiet", *more)

    wanted = [(version, dependencies) for version in found for dependencies in RESOLUTIONS]
    if arguments.quick:  # the pins, because what is newest may be broken on the day, and that is not the change's fault
        wanted = [(version, "pinned" if number else "lowest") for number, version in enumerate(found)]
    perform([(f"Python {v}, {r} dependencies", lambda v=v, r=r: on(v, r)) for v, r in wanted])


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="dev.py", description="Everything that is done in this project.")
    tasks = parser.add_subparsers(required=True, metavar="task")
    for task in (demo, test, check, lint, types, docs, bench, lock, versions):
        described = tasks.add_parser(
            task.__name__, help=task.__doc__, description=task.__doc__, add_help=task is not demo
        )
        described.set_defaults(task=task, takes_more=task in {demo, test, check, bench, versions})
        if task is test:
            described.add_argument("--coverage", action="store_true", help="measure coverage, and hold it to its gate")
        elif task is check:
            described.add_argument("--no-tests", action="store_true", help="everything but the tests")
        elif task is lint:
            described.add_argument("--fix", action="store_true", help="repair what can be repaired")
        elif task is lock:
            described.add_argument("--upgrade", action="store_true", help="take newer versions")
        elif task is versions:
            described.add_argument("--quick", action="store_true", help="one run on each Python")
    arguments, more = parser.parse_known_args()
    if more and not arguments.takes_more:
        parser.error(f"unknown arguments: {' '.join(more)}")
    try:
        arguments.task(arguments, more)
    except KeyboardInterrupt:
        sys.exit("\nstopped")


if __name__ == "__main__":
    main()
