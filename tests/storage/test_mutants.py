"""Wrong stores, each with one change: the contract tells each of them from a right one, by the promises named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from storage_contract import PROPERTIES
from storage_world import SCHEMA, World

from crmkit.errors import Conflict, CRMError, Duplicate, StorageError
from crmkit.kernel.query import Query
from crmkit.storage import memory
from crmkit.storage.memory import MemoryStore, _MemoryReader, _Tenant
from crmkit.storage.sql.store import SQLStore
from crmkit.storage.store import Batch, Claim, Page, Receipt, Recorded

MUTANTS: dict[str, tuple[type[Any], tuple[str, ...]]] = {}


def killed_by(*promises: str) -> Callable[[type[Any]], type[Any]]:
    def enter(mutant: type[Any]) -> type[Any]:
        MUTANTS[mutant.__name__] = (mutant, promises)
        return mutant

    return enter


def with_versions(batch: Batch, change: Callable[[Any], int], *parts: str) -> Batch:
    return batch._replace(**{p: tuple(x._replace(expected=change(x)) for x in getattr(batch, p)) for p in parts})


class Lenient(MemoryStore):
    """Lets some expectations pass, by writing what is there into the batch."""

    parts: tuple[str, ...] = ()

    def passes(self, expected: int, found: int) -> bool:
        raise NotImplementedError

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        def now(x: Any) -> int:
            found = self._memory.tenant(tenant).version(x.kind, x.id)
            return found if self.passes(x.expected, found) else x.expected

        with self._memory.lock:
            return super().commit(tenant, with_versions(batch, now, *self.parts))


@killed_by("no_update_is_lost", "an_update_needs_the_exact_version", "creating_twice_conflicts")
class PutIgnoresTheVersion(Lenient):
    parts = ("puts",)

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        with self._memory.lock:
            found = {(p.kind, p.id): self._memory.tenant(tenant).version(p.kind, p.id) for p in batch.puts}
            puts = tuple(p._replace(expected=found[p.kind, p.id], version=found[p.kind, p.id] + 1) for p in batch.puts)
            return MemoryStore.commit(self, tenant, batch._replace(puts=puts))


@killed_by("an_update_needs_the_exact_version")
class PutTakesOlderVersions(Lenient):
    parts = ("puts",)

    def passes(self, expected: int, found: int) -> bool:
        return 0 < expected <= found


@killed_by("a_drop_checks_the_version")
class DropIgnoresTheVersion(Lenient):
    parts = ("drops",)

    def passes(self, expected: int, found: int) -> bool:
        return expected > 0 and found > 0


@killed_by("guards_pass_and_fail", "guards_stop_write_skew")
class GuardsAreSkipped(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        return super().commit(tenant, batch._replace(guards=()))


@killed_by("a_duplicate_is_named", "all_or_nothing_on_a_duplicate")
class DuplicateIsAConflict(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        try:
            return super().commit(tenant, batch)
        except Duplicate:
            raise Conflict(batch.puts[0].kind if batch.puts else "", "", 0, 1) from None


@killed_by("unique_within_a_tenant", "no_call_crosses_tenants")
class TenantsAreOne(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        return super().commit("all", batch)

    def reader(self, tenant: str, **more: Any) -> _MemoryReader:
        return super().reader("all", **more)


@killed_by("unique_keys_differ_by_case_and_blanks", "text_is_kept_to_the_byte")
class UniqueFoldsCase(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        def folded(p: Any) -> Any:
            row = (p.row[0], p.row[1].strip() if p.kind.endswith("person") else p.row[1], *p.row[2:])
            return p._replace(unique=tuple(u and u.strip().casefold() for u in p.unique), row=row)

        return super().commit(tenant, batch._replace(puts=tuple(map(folded, batch.puts))))


@killed_by("nothing_never_collides")
class NothingCollides(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        puts = tuple(p._replace(unique=tuple("" if u is None else u for u in p.unique)) for p in batch.puts)
        return super().commit(tenant, batch._replace(puts=puts))


@killed_by("a_refused_commit_leaves_no_gap", "all_or_nothing_on_a_conflict")
class EventsBeforeTheRecord(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        super().commit(tenant, Batch(events=batch.events))
        return super().commit(tenant, batch._replace(events=()))


@killed_by("all_or_nothing_on_a_conflict", "all_or_nothing_on_a_duplicate")
class MessagesInACommitOfTheirOwn(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        super().commit(tenant, Batch(messages=batch.messages))
        return super().commit(tenant, batch._replace(messages=()))


@killed_by("a_key_applies_once")
class KeysAreForgotten(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        try:
            return super().commit(tenant, batch._replace(key=None))
        except (Conflict, Duplicate):
            if batch.key is None:
                raise
            return super().commit(tenant, Batch())


@killed_by("all_or_nothing_on_a_conflict")
class FailuresAreSwallowed(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        try:
            return super().commit(tenant, batch)
        except StorageError:
            return Receipt(replayed=False)


@killed_by("positions_are_dense_from_one", "a_follower_misses_nothing")
class PositionsFromACounter(MemoryStore):
    counted = 0

    def reader(self, tenant: str, **more: Any) -> _MemoryReader:
        reader = super().reader(tenant, **more)
        events = reader.events

        def moved(**some: Any) -> tuple[Recorded, ...]:
            return tuple(Recorded(p + p // 3, e) for p, e in events(**some))

        reader.events = moved  # type: ignore[method-assign]
        return reader


class BrokenReader(MemoryStore):
    """Breaks what its reader finds."""

    def found(self, reader: _MemoryReader, kind: str, query: Query, find: Any) -> Page:
        raise NotImplementedError

    def reader(self, tenant: str, **more: Any) -> _MemoryReader:
        reader = super().reader(tenant, **more)
        find = reader.find
        reader.find = lambda kind, query: self.found(reader, kind, query, find)  # type: ignore[method-assign]
        return reader


@killed_by("pages_stand_while_records_come_and_go", "foreign_cursors_are_refused")
class PagesByOffset(BrokenReader):
    def found(self, reader: _MemoryReader, kind: str, query: Query, find: Any) -> Page:
        whole = find(kind, Query(query.where, query.order, 10_000)).items
        start = int(query.after or 0)
        return Page(
            whole[start : start + query.limit], str(start + query.limit) if start + query.limit < len(whole) else None
        )


@killed_by("pages_cover_everything_once")
class PagesWithoutTies(BrokenReader):
    def found(self, reader: _MemoryReader, kind: str, query: Query, find: Any) -> Page:
        if not query.order or query.after is None:
            return find(kind, query)
        place = memory.place_of(query, self._memory.layouts[kind].kind, reader._name)
        page = find(kind, query)
        at = self._memory.layouts[kind].kind.position[query.order[0].removeprefix("-")]
        return page._replace(items=tuple(s for s in page.items if place is None or s.row[at] != place[0]))


@killed_by("nothing_is_shared")
class RowsAreShared(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        receipt = super().commit(tenant, batch)
        for p in batch.puts:
            kept = self._memory.tenant(tenant).records[p.kind][p.id]
            self._memory.tenant(tenant).records[p.kind][p.id] = kept._replace(stored=kept.stored._replace(row=p.row))
        return receipt


@killed_by("a_stale_token_settles_nothing")
class SettledByTheId(MemoryStore):
    def settle(self, outcomes: Sequence[Any]) -> tuple[bool, ...]:
        def mine(o: Any) -> Any:
            mail = self._mail.get((o.claim.tenant, o.claim.message.id))
            return o if mail is None else type(o)(o.claim._replace(token=mail.token), *tuple(o)[1:])

        return super().settle([mine(o) for o in outcomes])


@killed_by("an_ended_lease_is_due_again")
class LeasesNeverEnd(MemoryStore):
    def claim(self, queue: str, **more: Any) -> tuple[Claim, ...]:
        return tuple(super().claim(queue, **{**more, "lease": more["lease"] * 0 + memory.timedelta(days=9)}))


@killed_by("a_message_is_not_claimed_twice", "an_ended_lease_is_due_again")
class ClaimsAreNotExclusive(MemoryStore):
    def claim(self, queue: str, **more: Any) -> tuple[Claim, ...]:
        with self._memory.lock:
            for mail in self._open[queue].values():
                mail.until = None
            return super().claim(queue, **more)


@killed_by("done_never_returns")
class DoneIsForgotten(MemoryStore):
    def settle(self, outcomes: Sequence[Any]) -> tuple[bool, ...]:
        held = super().settle(outcomes)
        for o in outcomes:
            if type(o).__name__ == "Done":
                self._mail.pop((o.claim.tenant, o.claim.message.id), None)
        return held


@killed_by("a_snapshot_is_one_moment")
class SnapshotsMove(MemoryStore):
    def reader(self, tenant: str, *, fresh: bool = True, snapshot: bool = False) -> _MemoryReader:
        return super().reader(tenant, fresh=fresh)


@killed_by("erasure_blanks_what_is_personal")
class ErasureSparesThisBatch(MemoryStore):
    def commit(self, tenant: str, batch: Batch) -> Receipt:
        receipt = super().commit(tenant, Batch(erase=batch.erase))
        return (
            super().commit(tenant, batch._replace(erase=()))
            if batch.erase
            else super().commit(tenant, batch) or receipt
        )


@killed_by("one_of_many_creators_wins")
class NoLock(MemoryStore):
    """Checks first and writes later, with others in between."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = threading.Barrier(8, timeout=30)

    def commit(self, tenant: str, batch: Batch) -> Receipt:
        found = self._memory.tenant(tenant)
        self._refuse_conflicts(found, batch)
        self._refuse_duplicates(found, tenant, batch)
        self.turn.wait()  # the other seven check as well
        with self._memory.lock:
            found.apply(self._memory.layouts, batch)
        return Receipt(replayed=False)


class Mutated(SQLStore):
    """A SQL store on a file of its own, with one change to its statements or its ways."""

    path = ""

    def __init__(self) -> None:
        super().__init__(f"sqlite:///{self.path}")

    def changed(self, **statements: Callable[[str], str]) -> None:
        for name, change in statements.items():
            old = getattr(self._database.sql, name)
            assert change(old) != old
            setattr(self._database.sql, name, change(old))


@killed_by("an_update_needs_the_exact_version", "updating_what_is_absent_conflicts")
class RowsWrittenAreNotCounted(Mutated):
    def _meet(self, execute: Any, tenant: str, x: Any) -> None:
        if type(x).__name__ == "Guard":
            super()._meet(execute, tenant, x)


@killed_by("positions_are_dense_from_one")
class HeadOfAllTenants(Mutated):
    def prepare(self, schema: Any, mode: Any) -> None:
        super().prepare(schema, mode)
        self.changed(head=lambda s: s.replace("crm_journal.tenant = ?", "? != ''"))


@killed_by("an_ended_lease_is_due_again", "a_message_is_not_claimed_twice")
class LeasesAreNotLooked(Mutated):
    def prepare(self, schema: Any, mode: Any) -> None:
        super().prepare(schema, mode)
        free = "crm_outbox.leased_until IS NULL OR"
        self.changed(due=lambda s: s.replace(free, "1 OR"), claim=lambda s: s.replace(free, "1 OR"))


@killed_by("guards_see_what_was_before_the_batch")
class GuardsAfterTheWrites(Mutated):
    def _apply(self, cursor: Any, tenant: str, batch: Batch) -> Receipt:
        receipt = super()._apply(cursor, tenant, batch._replace(guards=()))
        for g in batch.guards:
            self._meet(cursor.execute, tenant, g)
        return receipt


@killed_by("unique_keys_change_hands_in_a_batch", "conflicts_are_told_before_duplicates")
class NoCare(Mutated):
    def _apply_with_care(self, cursor: Any, tenant: str, batch: Batch) -> Receipt:
        raise Duplicate(batch.puts[0].kind, "email")


@killed_by("search_keys_follow_the_record")
class KeysAreOnlyAdded(Mutated):
    def prepare(self, schema: Any, mode: Any) -> None:
        super().prepare(schema, mode)
        self.changed(unkey=lambda s: f"{s} AND 0")
        self.changed(key=lambda s: s.replace("INSERT", "INSERT OR IGNORE"))


@contextmanager
def world(mutant: type[Any], path: Path) -> Iterator[World]:
    if issubclass(mutant, Mutated):
        mutant.path = str(path / "crm.db")

    def fresh() -> Any:
        store = mutant()
        store.prepare(SCHEMA, "upgrade")
        return store

    w = World(fresh(), fresh)
    try:
        yield w
    finally:
        w.store.close()


@pytest.mark.parametrize(("mutant", "promise"), [(m, p) for m, (_, promises) in MUTANTS.items() for p in promises])
def test_a_wrong_store_is_caught(mutant: str, promise: str, tmp_path: Path) -> None:
    with world(MUTANTS[mutant][0], tmp_path) as w, pytest.raises((AssertionError, CRMError)):
        PROPERTIES[promise](w)


def test_right_stores_are_not(tmp_path: Path) -> None:
    """The frames of the mutants themselves change nothing."""
    for frame in (MemoryStore, Mutated):
        with world(frame, tmp_path) as w:
            for promise in {p for _, promises in MUTANTS.values() for p in promises}:
                PROPERTIES[promise](w.beside())
    assert isinstance(_Tenant().journal, list)
