"""The tutorials as web pages: ``python tutorials/pages.py [FOLDER]`` makes FOLDER/tutorials/*.html.

Formulas become MathML here, which a browser shows by itself: a page asks nothing of the network.
It needs the extra ``notebooks``.
"""

import re
import shutil
import sys
from pathlib import Path

from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHOWN = ("README.md", "docs/method.png", "tutorials/kegnet_in_one_file.py")  # the pages refer to
BEFORE_NAME = re.compile(r"(<mi>(?:log|exp|tanh)</mi>)(?=<m(?:i|row|su|frac))")


class Renderer(IPythonRenderer):
    """nbconvert's, but for formulas, which it leaves as TeX to a script from the network."""

    def block_math(self, body: str) -> str:
        """$$...$$"""
        return to_mathml(body, "block")

    def inline_math(self, body: str) -> str:
        """$...$"""
        return to_mathml(body, "inline")


def to_mathml(tex: str, display: str) -> str:
    """A formula; latex2mathml knows no \\arg, and sets "log p" without a space."""
    made = convert(tex.replace(r"\arg", r"\operatorname{arg}"), display=display)
    return BEFORE_NAME.sub(r'\1<mspace width="0.167em" />', made)


def to_html(markdown: str) -> str:
    """A text cell."""
    return MarkdownWithMath(renderer=Renderer(escape=False)).render(markdown)


def page(notebook: Path) -> str:
    """A notebook as one page of HTML."""
    exporter = HTMLExporter(
        template_file=str(HERE / "page.html.j2"), filters={"markdown2html": to_html}
    )
    return exporter.from_filename(str(notebook))[0]


def main(folder: Path) -> None:
    """Write every notebook's page, and beside them the files that they show or name."""
    for name in SHOWN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for notebook in sorted(HERE.glob("*.ipynb")):
        path = folder / "tutorials" / notebook.with_suffix(".html").name
        path.write_text(page(notebook), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build"))
