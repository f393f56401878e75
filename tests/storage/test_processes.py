"""SQLite in a file: several processes, processes that are killed, and processes that fork."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from storage_child import at, opened
from storage_world import put

from crmkit.kernel.query import Has

HERE = Path(__file__).parent


def child(act: str, *more: object) -> subprocess.Popen[str]:
    """Begin something in a process of its own."""
    path = os.pathsep.join([str(HERE), str(HERE.parents[1] / "src")])
    command = [sys.executable, str(HERE / "storage_child.py"), act, *map(str, more)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, text=True, **pipes)  # type: ignore[call-overload]


def said(process: subprocess.Popen[str]) -> str:
    """Wait for a process to end well, and give what it said."""
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.strip()


def test_many_processes_lay_out_one_file(tmp_path: Path) -> None:
    """Processes that start at once on no file at all find it laid out once, all of them."""
    some = [child("start", tmp_path / "crm.db") for _ in range(5)]
    for p in some:
        assert p.stdout is not None
        assert p.stdout.readline() == "ready\n"
    for p in some:
        assert p.stdin is not None
        p.stdin.write("\n")
        p.stdin.flush()
    assert [said(p) for p in some] == [""] * 5
    assert at(opened(str(tmp_path / "crm.db")), "t").count() == 0


def test_processes_lose_no_update_and_claim_nothing_twice(tmp_path: Path) -> None:
    """Processes that count one record up, on conflict again, share versions, positions and messages without a loss."""
    w = at(opened(str(tmp_path / "crm.db")), "many")
    w.commit(put("a", score=0))
    some = [child("count_up", tmp_path / "crm.db", n, 25) for n in range(4)]
    claimed = " ".join(said(p) for p in some).split() + [c.message.id for c in w.claim(1000)]
    assert (w.get("a")["a"].row[3], w.version("a")) == (100, 101)
    assert [p for p, _ in w.events()] == list(range(1, 101))
    assert sorted(e.verb for _, e in w.events()) == sorted(claimed)
    assert len(set(claimed)) == 100


def test_killing_a_writer_leaves_whole_commits(tmp_path: Path) -> None:
    """Whenever a process is killed, acknowledged commits are there, each with its record, keys, entry and message."""
    for turn in range(4):
        writer = child("write_until_killed", tmp_path / "crm.db")
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(7 + 6 * turn)]
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        w = at(opened(str(tmp_path / "crm.db")), "crash")
        ids = w.ids(limit=10_000)
        assert len(ids) >= told[-1] + 1
        assert sorted(ids) == sorted(f"p{n}" for n in range(len(ids)))
        assert [e.subject.id for _, e in w.events(limit=10_000)] == [f"p{n}" for n in range(len(ids))]
        assert sorted(c.message.id for c in w.claim(10_000, lease=timedelta(0))) == sorted(ids)
        assert w.ids(Has("tag", "any", None), limit=10_000) == ids
        w.store.close()


def test_dying_with_a_claim_brings_the_message_back(tmp_path: Path) -> None:
    """What a process claimed and did not settle is claimed again when the lease has ended."""
    w = at(opened(str(tmp_path / "crm.db")), "claims")
    w.commit(w.message())
    dying = child("claim_and_die", tmp_path / "crm.db")
    dying.communicate()
    assert dying.returncode == 9
    assert [c.attempt for c in w.claim()] == [2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_uses_connections_of_its_own(tmp_path: Path) -> None:
    """Parent and child go on using the store, whatever was open and locked at the fork."""
    assert said(child("fork", tmp_path / "crm.db")) == "after before child"
    with closing(sqlite3.connect(tmp_path / "crm.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert said(child("fork_in_memory", "")) == "before"
