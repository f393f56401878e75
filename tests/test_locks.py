"""Layouts of stored documents and definitions of machines change only with a new version: held against what is committed.

`python tests/test_locks.py` writes the files anew; do it with a new schema version and an upgrade, or a new machine version.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from crmkit import LIFECYCLE
from crmkit.domain.needs import NEED
from crmkit.domain.tasks import TASK
from crmkit.kernel.machine.versions import check_lock, lock

HERE = Path(__file__).parent / "locks"
MACHINES = (LIFECYCLE, NEED, TASK)


def layouts() -> str:
    """Give the layouts of crmkit's own kinds and events, without those that tests declare."""
    code = "import crmkit.crm\nfrom crmkit.kernel.codec import layout_lock\nprint(layout_lock(), end='')"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_layouts_change_only_with_a_new_schema_version() -> None:
    """What is stored today loads in every later release."""
    assert layouts() == (HERE / "layouts.lock").read_text(), (
        "a layout changed: raise its schema, add an upgrade, then run `python tests/test_locks.py`"
    )


def test_machines_change_only_with_a_new_version() -> None:
    """A stored state says by its version which definition it was decided on."""
    assert not check_lock(MACHINES, (HERE / "machines.lock").read_text())


def test_what_is_doubtful_about_the_machines_is_known() -> None:
    """An ended relationship may stay ended: that is what its guards are for. Nothing else is doubtful."""
    doubts = {machine.name: [finding.code for finding in machine.findings] for machine in MACHINES}
    assert doubts == {"relationship": ["stuck"], "need": [], "task": []}


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    (HERE / "layouts.lock").write_text(layouts())
    (HERE / "machines.lock").write_text(lock(MACHINES))
