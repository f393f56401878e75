"""Which tables there are, and how what is stored differs from what is needed.

    crm_<kind>      crm_tenant, id, a column per scalar field, crm_extra (the rest as JSON), crm_u_<name> per unique
                    key, crm_version, crm_layout (the schema version of the row)
    crm_index       search keys that are no columns: one row per key, in text or num
    crm_journal     one row per event, at its position
    crm_outbox      messages; state is open, done or dead
    crm_applied     the keys of batches that were applied
    crm_schema      the version of each kind's layout, and of the tables above ("crmkit")

Instants are microseconds since 1970 UTC, truth is 0 or 1, dates are ISO text. Columns of kinds may all be empty: the
library checks what it writes, and so a column can be added, and be left behind, without touching a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from crmkit.errors import DefinitionError
from crmkit.kernel.record import Kind

LAYOUT: Final = 1
"""The version of the tables that every store has."""

_LONGEST_NAME: Final = 60  # PostgreSQL cuts at 63 bytes, MariaDB refuses beyond 64 characters
_ID: Final = 80
_NAME: Final = 200


class FoundTable(NamedTuple):
    """A table as it is stored.

    Attributes:
        columns: by name the type, and whether an insert must give a value.
        indexes: by name whether it is unique, and its columns.
    """

    columns: dict[str, tuple[str, bool]]
    indexes: dict[str, tuple[bool, tuple[str, ...]]]


class Found(NamedTuple):
    """What is stored: the tables by name, and what else is in the way, one sentence each."""

    tables: Mapping[str, FoundTable]
    odd: Sequence[str]


class Difference(NamedTuple):
    """How what is stored differs from what is needed.

    Attributes:
        told: in words.
        cure: the steps that cure it; None if nothing here can.
        stale: the kind whose rows have to be brought up to date besides.
    """

    told: str
    cure: Sequence[Any] | None
    stale: str | None = None


def _text(name: str, longest: int = _NAME, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(longest), nullable=null)


def _long(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=null)


def _whole(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def named(*parts: str) -> str:
    """Give the name of an index, short enough for every engine and different for different parts."""
    name = "__".join(parts)
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _table(
    metadata: sa.MetaData, name: str, columns: Iterable[sa.Column[Any]], key: Sequence[str], *, narrow: bool = True
) -> sa.Table:
    """Make a table; SQLite keeps narrow rows in the index of their key, which does not pay where they grow long."""
    return sa.Table(name, metadata, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=not narrow)


class Fixed:
    """The tables that every store has."""

    def __init__(self, metadata: sa.MetaData) -> None:
        self.schema = _table(metadata, "crm_schema", [_text("name"), _whole("version")], ["name"])
        self.applied = _table(
            metadata, "crm_applied", [_text("tenant"), _text("batch"), _whole("applied")], ["tenant", "batch"]
        )
        self.journal = _table(
            metadata,
            "crm_journal",
            [
                _text("tenant"),
                _whole("position"),
                _text("type"),
                _whole("layout"),
                _text("kind"),
                _text("subject", _ID),
                _whole("version"),
                _text("customer", _ID, null=True),
                _whole("at"),
                _whole("recorded"),
                _text("actor"),
                _text("verb"),
                _long("reason"),
                _text("correlation"),
                _whole("back", null=True),
                _long("body"),
                _long("personal", null=True),
            ],
            ["tenant", "position"],
            narrow=False,
        )
        self.index = _table(
            metadata,
            "crm_index",
            [
                _text("tenant"),
                _text("kind"),
                _text("id", _ID),
                _whole("n"),
                _text("name"),
                _text("text", 500, null=True),
                _whole("num", null=True),
            ],
            ["tenant", "kind", "id", "n"],
        )
        self.outbox = _table(
            metadata,
            "crm_outbox",
            [
                _text("tenant"),
                _text("id"),
                _text("queue"),
                _long("body"),
                _whole("due", null=True),
                _text("state", 10),
                _whole("attempt"),
                _text("token", 40, null=True),
                _whole("leased_until", null=True),
                _long("why", null=True),
            ],
            ["tenant", "id"],
        )
        journal, index, outbox = self.journal.c, self.index.c, self.outbox.c
        sa.Index("crm_journal__subject", journal.tenant, journal.kind, journal.subject, journal.position)
        sa.Index("crm_journal__customer", journal.tenant, journal.customer, journal.position)
        sa.Index("crm_index__name", index.tenant, index.kind, index.name, index.text, index.num, index.id)
        sa.Index("crm_outbox__due", outbox.queue, outbox.due)  # due is empty where it is done or dead
        self.tables = (self.schema, self.applied, self.journal, self.index, self.outbox)


def table_of(kind: Kind[Any], metadata: sa.MetaData) -> sa.Table:
    """Make the table of a kind.

    Raises:
        DefinitionError: a name cannot stand in a database, because it is taken there or is not unlike another.
    """
    name = f"crm_{kind.name}"
    columns = [_text("crm_tenant")]
    for c in kind.columns:
        if c.name == "id":
            columns.append(_text("id", _ID))
        elif c.holds in ("text", "date"):
            columns.append(_text(c.name, c.longest, null=True))
        else:
            columns.append(_whole(c.name, null=True))
    unique = [f"crm_u_{n}" for n in kind.unique]
    columns += [_long("crm_extra"), *(_text(u, 500, null=True) for u in unique)]
    columns += [_whole("crm_version"), _whole("crm_layout")]
    names = [c.name.lower() for c in columns]
    twice = sorted({n for n in names if names.count(n) > 1})
    problems = [f"{n!r} names two columns; upper and lower case do not differ there" for n in twice]
    if name in metadata.tables:
        problems.append("the table of this name is the library's own")
    if problems:
        raise DefinitionError(f"record {kind.name}", problems)
    table = _table(metadata, name, columns, ["crm_tenant", "id"], narrow=False)
    table.info["kind"] = kind.name
    for u in unique:
        sa.Index(named(name, u), table.c.crm_tenant, table.c[u], unique=True)
    indexes = list(dict.fromkeys(i for i in kind.indexes if i))
    if kind.customer is not None and not any(i[0] == kind.customer for i in indexes):
        indexes.append((kind.customer,))
    for i in indexes:
        sa.Index(named(name, *i), table.c.crm_tenant, *(table.c[n] for n in dict.fromkeys((*i, "id"))))  # ties go by id
    return table


def differences(found: Found, tables: Sequence[sa.Table], dialect: Any) -> list[Difference]:
    """Tell how what is stored differs from what is needed; what is there besides is nobody's business."""
    out = [Difference(odd, None) for odd in found.odd]
    for table in tables:
        indexes = sorted(table.indexes, key=lambda i: str(i.name))
        if (there := found.tables.get(table.name)) is None:
            steps = [sa.schema.CreateTable(table), *map(sa.schema.CreateIndex, indexes)]
            out.append(Difference(f"there is no table {table.name}", steps))
            continue
        for column in table.columns:
            out += _column_differs(table, column, there, dialect)
        for name, (_, needed) in there.columns.items():
            if needed and name not in table.columns:
                told = f"{table.name}.{name} is unknown here and must not be empty: a newer library has written it"
                out.append(Difference(told, None))
        for index in indexes:
            if (has := there.indexes.get(str(index.name))) is None:
                out.append(Difference(f"there is no index {index.name}", [sa.schema.CreateIndex(index)]))
            elif has != (bool(index.unique), tuple(c.name for c in index.columns)):
                out.append(Difference(f"the index {index.name} is another one; drop it", None))
    return out


def _column_differs(table: sa.Table, column: sa.Column[Any], there: FoundTable, dialect: Any) -> list[Difference]:
    what = f"{table.name}.{column.name}"
    wanted = _affinity(column.type.compile(dialect))
    if column.name in there.columns:
        is_ = _affinity(there.columns[column.name][0])
        return [] if is_ == wanted else [Difference(f"{what} holds {is_} and not {wanted}", None)]
    if not column.nullable:
        return [Difference(f"there is no column {what}", None)]
    spec = sa.schema.CreateColumn(column).compile(dialect=dialect)
    added = sa.text(f"ALTER TABLE {dialect.identifier_preparer.format_table(table)} ADD COLUMN {spec}")
    return [Difference(f"there is no column {what}", [added], table.info.get("kind"))]


def _affinity(kind: str) -> str:
    """Whether a column holds text or numbers, whatever the length that its type names."""
    kind = kind.upper()
    if "INT" in kind:
        return "numbers"
    return "text" if "CHAR" in kind or "TEXT" in kind else kind.lower() or "anything"
