"""The SQL store: SQLAlchemy writes the SQL once, the driver's cursor runs it.

    tables      which tables there are, and how what is stored differs from what is needed
    questions   conditions, orders and pages as SQL, compiled once per shape
    sqlite      what only SQLite does so: connections, its clock, its errors
    store       SQLStore: commits, reads, claims

The tables are the host's to read: their names and columns are stable. See `crmkit.storage.sql.tables`.
"""

from importlib.util import find_spec

from crmkit.errors import MissingExtra

if find_spec("sqlalchemy") is None:
    raise MissingExtra("sql", "a SQL address")
