"""How the site is built: `make docs`."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "Agg")
ROOT = Path(__file__).resolve().parent.parent
# For benchmarks.tables, which is not installed, and for tutorials that read data/sample.
sys.path.insert(0, str(ROOT))

from docutils.nodes import SkipNode  # noqa: E402
from docutils.utils.math.latex2mathml import tex2mathml  # noqa: E402

import damrep  # noqa: E402

project = "damrep"
author = "The damrep authors"
copyright = author
release = version = damrep.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "gallery", "tutorials/*.ipynb", "**/sg_execution_times.rst"]
templates_path = ["_templates"]

# Docstrings name things as `Thing`: a link where there is a page, plain code where there is none.
default_role = "py:obj"
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# A name in backticks may be an argument, a file or another library's: no link, no warning.
nitpick_ignore_regex = [("py:obj", ".*"), ("py:class", ".*"), ("py:exc", ".*")]

smartquotes = False
html_math_renderer = "mathml"  # drawn by the browser itself, so that pages need no network

html_theme = "pydata_sphinx_theme"
html_title = f"damrep {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "get-started": [], "idea": [], "limits": []}

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "tutorials",
    "filename_pattern": r"/\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    # A tutorial that fails stops the build.
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "reset_modules": ("matplotlib",),
    "write_computation_times": False,
}


def _made(app: Any, name: str, source: list[str]) -> None:
    """Fill the pages that are made of what the code and the results say."""
    if name == "reference/command":
        source[0] += _commands()
    from benchmarks.tables import all_tables

    if name == "results/all":
        tables = all_tables().replace("\n### ", "\n## ").removeprefix("#")
        source[0] = source[0].replace("{{ all results }}", tables)


def _commands() -> str:
    """The help of every subcommand, as a terminal of 78 columns shows it."""
    import click

    from damrep.cli import main

    pages = []
    for name, command in main.commands.items():
        parent = click.Context(main, info_name="damrep", terminal_width=78)
        context = click.Context(command, parent=parent, info_name=name, terminal_width=78)
        pages.append(f"\n## damrep {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "".join(pages)


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise SkipNode


def _block(writer: Any, node: Any) -> None:
    writer.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise SkipNode


_FITTED_NAME = re.compile(r"(?<![`\w])(?<!^)([A-Za-z]\w*)_(?![\w`])")
_LINK = re.compile(r":ref:`([^<`]*?)\s*(?:<[^>]*>)?`")


def _docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Let ``n_components_`` be no link, and take out links into scikit-learn's own site."""
    for place, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            head = re.match(r"\s*\w+ :", line)
            start = head.end() if head else 0
            lines[place] = line[:start] + _FITTED_NAME.sub(r"\1\\_", line[start:])
    lines[:] = _LINK.sub(r"\1", "\n".join(lines)).split("\n")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("source-read", _made)
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    # Names that packages offer on first use have to be there before their pages are made.
    for package in ("autoencoder", "graph", "masking", "recommend", "training"):
        module = importlib.import_module(f"damrep.{package}")
        for public in module.__all__:
            getattr(module, public)
