"""The table of bad input: what is given, exactly which error it is, its text with file and line, the state after it.

Each row is a function, the wrong line of it marked, under the error and the text that it gives (see bad_rows.py). What
holds after every row (inputs unchanged, no trace open, random states where they were, the next call right) is in
test_bad_input.py; what holds after one row in particular stands beside it.
"""

from __future__ import annotations

import bad_arrays
import bad_calls
import bad_effects
import bad_files
import bad_native
import bad_training

TABLES = (bad_arrays, bad_effects, bad_calls, bad_native, bad_training, bad_files)
ROWS = [row for table in TABLES for row in table.TABLE.rows]
