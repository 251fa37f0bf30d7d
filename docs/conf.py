"""How Sphinx builds the documentation: offline, from Markdown, with the reference taken from the docstrings."""

from __future__ import annotations

import chainrule

project = "chainrule"
author = "chainrule developers"
copyright = "2026, chainrule developers"
version = release = chainrule.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"chainrule {release}"
html_static_path = ["_static"]
