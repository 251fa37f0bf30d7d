"""The promise of float32: where a graph leaves it for float64, its user is told which line does it."""

from __future__ import annotations

import warnings

from chainrule.errors import PrecisionWarning
from chainrule.ir.graph import CONSTANT, ArrayRef, Graph, Node, Value
from chainrule.ir.kinds import Runs
from chainrule.ops.arithmetic import cast
from chainrule.types import FLOAT32, FLOAT64


def warn_of_float64(graph: Graph) -> bool:
    """Whether float32 becomes float64 somewhere without a cast; a PrecisionWarning names the first such line."""
    node = _first_mixed(graph)
    if node is None:
        return False
    taken = " and ".join(str(value.type) for value in node.inputs)
    text = f"float32 becomes float64 at {node.where}: {node.op} of {taken} is {node.types[0]}; try "
    text += "x.astype(np.float32) for the float64 array or number, or dtype=np.float64 for the whole model"
    file, line = (node.where.file, node.where.line) if node.where else (__file__, 0)
    warnings.warn_explicit(text, PrecisionWarning, file, line)
    return True


def _first_mixed(graph: Graph) -> Node | None:
    """The first node, of the graph or of a loop's body in it, that makes float64 of float32."""
    pending = [graph]
    for block in pending:
        for node in block.nodes:
            bodies = [attr for attr in node.attrs.values() if isinstance(attr, Graph)]
            pending += bodies
            if isinstance(node.op.lowering, Runs) or node.op is cast:
                continue
            if any(t.dtype == FLOAT64 for t in node.types) and any(map(_is_single, node.inputs)):
                return node
    return None


def _is_single(value: Value) -> bool:
    """Whether a value is of float32, a lone number of NumPy's aside: that does not make a graph one of float32."""
    number = value.node.op is CONSTANT and not isinstance(value.node.attrs["value"], ArrayRef)
    return value.dtype == FLOAT32 and not number
