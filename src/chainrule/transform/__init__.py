"""Derivatives: forward mode, reverse mode, and both through loops. One rule per operation serves all of them."""

from __future__ import annotations

from chainrule.transform import loops  # its rules are there wherever a tape is

__all__ = ["loops"]
