"""The chain rule in sight: what was applied at each layer, as formulas and numbers."""

from __future__ import annotations

from chainrule.explanation.layers import Explanation, LayerLine, explain

__all__ = ["Explanation", "LayerLine", "explain"]
