"""Data to train on: the digits inside the package, IDX files, held-out rows, batches and a check of all of it."""

from __future__ import annotations

from chainrule.data.check import check_data
from chainrule.data.datasets import digits, mnist
from chainrule.data.idx import read_idx
from chainrule.data.sampling import batches, epoch_order, split

__all__ = ["batches", "check_data", "digits", "epoch_order", "mnist", "read_idx", "split"]
