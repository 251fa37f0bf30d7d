"""The errors people see. Every text reads `expected ..., got ... at file:line (layer); try ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.where import Where


class ChainruleError(Exception):
    """Base of every error that chainrule raises on purpose."""


class ShapeError(ChainruleError, ValueError):
    """Shapes, axes or lengths that do not fit together."""


class DTypeError(ChainruleError, TypeError):
    """A dtype that has no meaning here, such as an integer where a derivative is asked for."""


class ArgumentError(ChainruleError, TypeError):
    """An argument of another kind than a function takes, such as a number in place of a function."""


class TraceError(ChainruleError, TypeError):
    """A traced array was used where only plain NumPy values can go."""


class StagingError(TraceError):
    """A Python decision, side effect or random draw that a staged graph cannot hold."""


class EscapedTracerError(TraceError):
    """A traced array outlived the function that it was traced in."""


class OutOfRangeError(ChainruleError, IndexError):
    """An index or a label outside of its axis."""


class NumberError(ChainruleError, OverflowError):
    """A Python number that does not fit the dtype of what it is computed with."""


class TreeError(ChainruleError, ValueError):
    """Two trees whose structures should agree and do not."""


class DataError(ChainruleError, ValueError):
    """Data, or a file of data, that cannot be what it says it is."""


class OwnershipError(ChainruleError, ValueError):
    """An array given up twice, or given up and used again; memory of one thread that another one would use."""


class GraphError(ChainruleError, ValueError):
    """A graph, or the text of one, that is not well formed."""


class SaveError(ChainruleError, OSError):
    """A model folder that cannot be written or read."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional package that is not installed."""


class OptionError(ChainruleError, ValueError):
    """An option's value that has no meaning, such as a negative learning rate or an unknown activation."""


class PrecisionWarning(UserWarning):
    """A graph that computes in float32 goes on in float64."""


class CaptureWarning(UserWarning):
    """A staged function reaches so much outside itself that changes in some of it go unseen."""


class RecompileWarning(UserWarning):
    """A function is staged again and again, for other shapes or for other static values."""


class CacheWarning(UserWarning):
    """A folder for compiled code that cannot be trusted."""


def message(expected: object, got: object, where: Where | None = None, hint: str = "") -> str:
    """The house's sentence: what was expected, what came, where, and what to do."""
    place = f" at {where}" if where else ""
    advice = f"; try {hint}" if hint else ""
    return f"expected {expected}, got {got}{place}{advice}"


class BackendError(ChainruleError, RuntimeError):
    """Native code could not be made, or does not do on this machine what it should."""


class TooLargeError(ChainruleError, MemoryError):
    """A staged function that needs more memory than there is."""


class BackendWarning(UserWarning):
    """Staged functions run without native code."""
