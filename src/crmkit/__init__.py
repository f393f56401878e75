"""Customer relationship management as a library.

Everything that a host application needs is a name of this package: `from crmkit import CRM, Person`. A name
is loaded when it is first used, so that `import crmkit` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit.errors import (
        Busy,
        Conflict,
        CRMError,
        DefinitionError,
        Duplicate,
        GuardFailed,
        Invalid,
        MissingExtra,
        Misuse,
        MoveRefused,
        NotAllowed,
        NotFound,
        NotSupported,
        Refusal,
        SchemaMismatch,
        Stale,
        StorageError,
        Truncated,
        Unavailable,
        Unreadable,
    )

__version__ = "0.1.0"

__all__ = [
    "Busy",
    "CRMError",
    "Conflict",
    "DefinitionError",
    "Duplicate",
    "GuardFailed",
    "Invalid",
    "MissingExtra",
    "Misuse",
    "MoveRefused",
    "NotAllowed",
    "NotFound",
    "NotSupported",
    "Refusal",
    "SchemaMismatch",
    "Stale",
    "StorageError",
    "Truncated",
    "Unavailable",
    "Unreadable",
    "__version__",
]

# Where each public name lives. A test holds this table, the imports above and __all__ equal.
_HOMES = {
    "Busy": "errors",
    "CRMError": "errors",
    "Conflict": "errors",
    "DefinitionError": "errors",
    "Duplicate": "errors",
    "GuardFailed": "errors",
    "Invalid": "errors",
    "MissingExtra": "errors",
    "Misuse": "errors",
    "MoveRefused": "errors",
    "NotAllowed": "errors",
    "NotFound": "errors",
    "NotSupported": "errors",
    "Refusal": "errors",
    "SchemaMismatch": "errors",
    "Stale": "errors",
    "StorageError": "errors",
    "Truncated": "errors",
    "Unavailable": "errors",
    "Unreadable": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
