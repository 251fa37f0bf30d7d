"""Derivatives: forward mode, reverse mode, and both through loops. One rule per operation serves all of them."""
