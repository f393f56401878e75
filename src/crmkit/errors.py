"""Every exception that crmkit raises, in one tree.

    CRMError
    ├── Invalid (ValueError)         a value that cannot be: names field and rule, never the value
    ├── Refusal                      a rule of the domain said no, and carries why as data
    │   ├── MoveRefused              a lifecycle has no such step now, or a guard is unmet
    │   └── NotAllowed               the host's policy refused the act
    ├── NotFound (LookupError)       no such record for this tenant and this actor
    ├── Stale                        the caller decided on a record that has changed since
    ├── Misuse (RuntimeError)        the library was called in a way that cannot work
    │   ├── DefinitionError (TypeError)  a record kind, an event or a machine that contradicts itself
    │   ├── GuardFailed              a guard of a machine raised, or returned what is no verdict
    │   └── MissingExtra (ImportError)   an optional dependency is not installed
    └── StorageError                 raised by stores, and by nothing else
        ├── Conflict                 a record is not at the version that the batch expects
        ├── Duplicate                a declared unique key is taken
        ├── Busy                     nothing was written: the same batch may be tried again
        ├── Unavailable              the store cannot be reached, is closed, full or read-only
        ├── SchemaMismatch           the stored schema is not the one this library needs
        ├── Unreadable               a stored document that this library cannot understand
        ├── Truncated                the journal no longer holds the positions asked for
        └── NotSupported             a feature that this store does not declare

Every error keeps its values as attributes, survives pickling, and tells in its message what happened, to
which object, what was expected, what was found, and what to do next. Personal data never gets in: a value is
described by its type and size (`redacted`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def redacted(value: object) -> str:
    """Describe a value by type and size, without telling anything that it says.

    >>> redacted("ana@example.com")
    'str of 15 characters'
    >>> redacted(12.5)
    'float'
    >>> redacted(None)
    'nothing'
    """
    kind: type[Any] = type(value)
    if value is None:
        return "nothing"
    if kind in (str, bytes):
        unit = "character" if kind is str else "byte"
        size = str.__len__(value) if isinstance(value, str) else bytes.__len__(value)  # type: ignore[arg-type]
        return f"{kind.__name__} of {size} {unit}{'' if size == 1 else 's'}"
    if kind in (list, tuple, dict, set, frozenset):
        return f"{kind.__name__} of {len(value)} item{'' if len(value) == 1 else 's'}"  # type: ignore[arg-type]
    return kind.__name__


class CRMError(Exception):
    """Everything that crmkit raises on purpose."""


class Invalid(CRMError, ValueError):
    """A value that cannot be: it was refused before anything was changed.

    Attributes:
        field: the field that was given the value, such as `"ContactPoint.address"`.
        rule: the code of the rule that it breaks, such as `"control-character"`.
        expected: what would be accepted, in words.
        found: the value's type and size, never its content.
    """

    def __init__(self, field: str, rule: str, expected: str, found: str = "") -> None:
        super().__init__(field, rule, expected, found)
        self.field, self.rule, self.expected, self.found = field, rule, expected, found

    def __str__(self) -> str:
        found = f", found {self.found}" if self.found else ""
        return f"{self.field}: expected {self.expected}{found} ({self.rule})"


class Refusal(CRMError):
    """A rule of the domain said no. Nothing was changed.

    Attributes:
        subject: what was refused its wish, such as `"relationship rel_01"`.
        rule: the code of the rule that refused, such as `"transactional.no-expansion"`.
        reasons: why, one sentence each, with figures where there are some.
        instead: what would be possible now, as the words that the verb takes.
    """

    def __init__(self, subject: str, rule: str, reasons: Sequence[str], instead: Sequence[str] = ()) -> None:
        self.subject, self.rule = subject, rule
        self.reasons, self.instead = tuple(reasons), tuple(instead)
        super().__init__(subject, rule, self.reasons, self.instead)

    def __str__(self) -> str:
        instead = f"; possible now: {', '.join(self.instead)}" if self.instead else ""
        return f"{self.subject}: refused by {self.rule}: {'; '.join(self.reasons)}{instead}"


class MoveRefused(Refusal):
    """A lifecycle has no such step now, or something is in its way. All values are plain data.

    Attributes:
        machine: the name of the lifecycle, such as `"relationship"`.
        state: where the record stands.
        signal: what was asked of it.
        why: the kind of refusal, such as `"guard unmet"` (the values of `crmkit.kernel.machine.Why`).
        unmet: the guards in the way, each with its figures, as in `Obstacle.as_dict`.
        allowed: the signals that are possible now.
    """

    def __init__(  # noqa: PLR0917 - pickling passes them by position
        self,
        machine: str,
        state: str,
        signal: str,
        why: str,
        reasons: Sequence[str],
        unmet: Sequence[Mapping[str, object]] = (),
        allowed: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{machine} in {state!r}", why, reasons, allowed)
        self.machine, self.state, self.signal, self.why = machine, state, signal, why
        self.unmet, self.allowed = tuple(dict(each) for each in unmet), self.instead
        self.args = (machine, state, signal, why, self.reasons, self.unmet, self.allowed)

    def __str__(self) -> str:
        allowed = ", ".join(map(repr, self.allowed)) or "no signal"
        reasons = f": {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{self.machine}: {self.signal!r} refused in {self.state!r}, {self.why}{reasons}; allowed now: {allowed}"


class NotAllowed(Refusal):
    """The host's policy refused an act.

    Attributes:
        actor: who wanted to act.
        verb: what they called, such as `"relationships.advance"`.
    """

    def __init__(self, actor: str, verb: str, subject: str, reason: str) -> None:
        super().__init__(subject, "policy", (reason,))
        self.args = (actor, verb, subject, reason)
        self.actor, self.verb = actor, verb

    def __str__(self) -> str:
        return f"{self.subject}: the policy does not let {self.actor!r} call {self.verb}: {self.reasons[0]}"


class NotFound(CRMError, LookupError):
    """No such record for this tenant, or none that this actor may see: the two look the same on purpose.

    Attributes:
        kind: the kind of record, such as `"customer"`.
        id: what was asked for.
    """

    def __init__(self, kind: str, id: str) -> None:  # noqa: A002 - the field's own word
        super().__init__(kind, id)
        self.kind, self.id = kind, id

    def __str__(self) -> str:
        return f"{self.kind} {self.id!r}: not found; check the id, the tenant and what the actor may see"


class Stale(CRMError):
    """A decision was made on a record that has changed since. Read it again and decide again.

    Attributes:
        kind: the kind of record.
        id: its id.
        expected: the version that the decision was made on.
        found: the version it has now.
    """

    def __init__(self, kind: str, id: str, expected: int, found: int) -> None:  # noqa: A002
        super().__init__(kind, id, expected, found)
        self.kind, self.id, self.expected, self.found = kind, id, expected, found

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.id!r}: decided on version {self.expected}, found version {self.found};"
            " read it again and decide again"
        )


class Misuse(CRMError, RuntimeError):
    """The library was called in a way that cannot work; the message says how to call it."""


class DefinitionError(Misuse, TypeError):
    """A record kind, an event or a machine contradicts itself. Raised when it is defined.

    Attributes:
        name: what is defined, such as `"machine relationship"`.
        problems: everything that is wrong with it, one sentence each.
    """

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.name, self.problems = name, tuple(problems)
        super().__init__(name, self.problems)

    def __str__(self) -> str:
        return f"{self.name}: {'; '.join(self.problems)}"


class GuardFailed(Misuse):
    """A guard is broken: it raised (the cause is chained), or returned neither a bool nor an `Unmet`.

    Attributes:
        machine: the name of the lifecycle.
        step: the step that was being judged, such as `"awareness -expand-> expansion"`, or the migration.
        guard: the name of the guard.
        problem: what it did; never a value, which could be personal.
    """

    def __init__(self, machine: str, step: str, guard: str, problem: str) -> None:
        super().__init__(machine, step, guard, problem)
        self.machine, self.step, self.guard, self.problem = machine, step, guard, problem

    def __str__(self) -> str:
        return f"{self.machine}: the guard {self.guard!r} of {self.step!r} {self.problem}"


class MissingExtra(Misuse, ImportError):
    """An optional dependency is not installed.

    Attributes:
        extra: the extra to install, such as `"sql"`.
        what: what needs it.
    """

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(extra, what)
        self.extra, self.what = extra, what

    def __str__(self) -> str:
        return f'{self.what} needs an extra: pip install "crmkit[{self.extra}]"'


class StorageError(CRMError):
    """What a store raises. A plugin translates its driver's errors into these, with `raise … from`."""


class Conflict(StorageError):
    """A record is not at the version that the batch expects. Nothing was written.

    Attributes:
        kind: the kind of record.
        id: its id.
        expected: the version that the batch was decided on; 0 means absent.
        found: the version in the store; 0 means absent.
    """

    def __init__(self, kind: str, id: str, expected: int, found: int) -> None:  # noqa: A002
        super().__init__(kind, id, expected, found)
        self.kind, self.id, self.expected, self.found = kind, id, expected, found

    def __str__(self) -> str:
        return f"{self.kind} {self.id!r}: expected version {self.expected}, found {self.found}; read again and retry"


class Duplicate(StorageError):
    """A declared unique key is taken by another record. Nothing was written.

    Attributes:
        kind: the kind of record.
        key: the name of the unique key, such as `"open_tie"`.
    """

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(kind, key)
        self.kind, self.key = kind, key

    def __str__(self) -> str:
        return f"{self.kind}: the unique key {self.key!r} is taken by another record; find and use that one"


class Busy(StorageError):
    """The store is busy: nothing was written, and the same batch may be tried again.

    Attributes:
        why: what the store was waiting for.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the store is busy ({self.why}); nothing was written, try again"


class Unavailable(StorageError):
    """The store cannot be reached, is closed, is full or cannot be written.

    Attributes:
        why: what is the matter, in words.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the store is unavailable: {self.why}"


class SchemaMismatch(StorageError):
    """What is stored was laid out for another version of this library, or not at all.

    Attributes:
        where: which store.
        differences: what is missing or in the way, one sentence each.
        remedy: the command or call that cures it.
    """

    def __init__(self, where: str, differences: Sequence[str], remedy: str) -> None:
        self.where, self.differences, self.remedy = where, tuple(differences), remedy
        super().__init__(where, self.differences, remedy)

    def __str__(self) -> str:
        return f"{self.where}: {'; '.join(self.differences)}; {self.remedy}"


class Unreadable(StorageError):
    """A stored document cannot be understood: it is damaged or was written by a newer library.

    Attributes:
        what: which document, such as `"customer cus_01"`.
        why: what is the matter with it.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what, why)
        self.what, self.why = what, why

    def __str__(self) -> str:
        return f"{self.what}: cannot be read: {self.why}"


class Truncated(StorageError):
    """The journal no longer holds what was asked for: retention has cut its beginning off.

    Attributes:
        after: the position that the reader had reached.
        first: the first position that is still there.
    """

    def __init__(self, after: int, first: int) -> None:
        super().__init__(after, first)
        self.after, self.first = after, first

    def __str__(self) -> str:
        return (
            f"the journal begins at position {self.first}, but what follows {self.after} was asked for;"
            " rebuild from the records and follow from there"
        )


class NotSupported(StorageError):
    """The store does not declare the feature that was asked of it.

    Attributes:
        feature: the name of the feature, as in `Features`.
    """

    def __init__(self, feature: str) -> None:
        super().__init__(feature)
        self.feature = feature

    def __str__(self) -> str:
        return f"this store does not declare the feature {self.feature!r}; choose a store that does"
