"""NumPy's names, on plain and traced arrays alike: ``import chainrule.numpy as np``.

On plain arrays a function gives what NumPy's gives; on traced ones it is a composition of chainrule's operations. A
name that NumPy has and this module has not is NumPy's own (``np.random``, ``np.save``, ``np.float32``): it refuses
traced arrays by an error that names the line.
"""

from __future__ import annotations

from typing import Any

import numpy as _numpy

from chainrule.numpy import contract as _contract
from chainrule.numpy import create as _create
from chainrule.numpy import cumulative as _cumulative
from chainrule.numpy import diagonal as _diagonal
from chainrule.numpy import einsum as _einsum
from chainrule.numpy import elementwise as _elementwise
from chainrule.numpy import index as _index
from chainrule.numpy import join as _join
from chainrule.numpy import linalg as linalg
from chainrule.numpy import order as _order
from chainrule.numpy import rearrange as _rearrange
from chainrule.numpy import reduce as _reduce
from chainrule.numpy import shape as _shape
from chainrule.numpy import take as _take
from chainrule.numpy.contract import *  # noqa: F403
from chainrule.numpy.create import *  # noqa: F403
from chainrule.numpy.cumulative import *  # noqa: F403
from chainrule.numpy.diagonal import *  # noqa: F403
from chainrule.numpy.einsum import *  # noqa: F403
from chainrule.numpy.elementwise import *  # noqa: F403
from chainrule.numpy.index import *  # noqa: F403
from chainrule.numpy.join import *  # noqa: F403
from chainrule.numpy.order import *  # noqa: F403
from chainrule.numpy.rearrange import *  # noqa: F403
from chainrule.numpy.reduce import *  # noqa: F403
from chainrule.numpy.shape import *  # noqa: F403
from chainrule.numpy.take import *  # noqa: F403

__all__: list[str] = []
__all__ += _contract.__all__
__all__ += _create.__all__
__all__ += _cumulative.__all__
__all__ += _diagonal.__all__
__all__ += _einsum.__all__
__all__ += _elementwise.__all__
__all__ += _index.__all__
__all__ += _join.__all__
__all__ += _order.__all__
__all__ += _rearrange.__all__
__all__ += _reduce.__all__
__all__ += _shape.__all__
__all__ += _take.__all__


def __getattr__(name: str) -> Any:
    try:
        return getattr(_numpy, name)
    except AttributeError:
        raise AttributeError(f"module 'chainrule.numpy' has no attribute {name!r}, nor has numpy") from None
