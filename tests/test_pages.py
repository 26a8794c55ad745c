"""The tutorials as web pages: formulas that a browser shows by itself, nothing from the network."""

import importlib.util
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))
NEEDED = ("nbconvert", "latex2mathml")
LACKING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(LACKING), reason=f"{' and '.join(LACKING)} not installed: pip install '.[notebooks]'"
)
every_page = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def load_pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "tutorials" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The folder of all pages."""
    folder = tmp_path_factory.mktemp("build")
    load_pages().main(folder)
    return folder


class Page(HTMLParser):
    """What a page loads, where it leads, and what a reader sees of it outside code."""

    def __init__(self):
        super().__init__()
        self.tags, self.loaded, self.links, self.text, self.inside = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attrs = dict(attrs)
        if tag in ("code", "pre", "script", "style"):
            self.inside.append(tag)
        if tag in ("script", "img", "iframe", "link"):
            self.loaded.append(attrs.get("src") or attrs.get("href") or "")
        if tag == "a":
            self.links.append(attrs.get("href", ""))

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.text.append(data)


def read(build, path):
    """A notebook's page, as text and taken apart."""
    html = (build / "tutorials" / f"{path.stem}.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    return html, page


@every_page
def test_a_page_has_its_formulas_as_mathml_and_no_tex(build, path):
    _, page = read(build, path)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    words = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    words = re.sub(r"```.*?```|`[^`]*`", "", words, flags=re.DOTALL)
    formulas = re.findall(r"\$\$[^$]+\$\$|\$[^$]+\$", words)
    assert page.tags.count("math") == len(formulas) > 0
    text = "".join(page.text)
    assert "$" not in text
    assert not re.findall(r"\\[a-zA-Z]+", text), "TeX that latex2mathml does not know"


@every_page
def test_a_page_loads_nothing_from_the_network(build, path):
    html, page = read(build, path)
    assert not [address for address in page.loaded if "//" in address.partition(",")[0]]
    assert "mathjax" not in html.lower() and "cdnjs" not in html


@every_page
def test_a_page_lies_beside_the_files_that_it_names(build, path):
    _, page = read(build, path)
    for name in [*page.links, *page.loaded]:
        if name and not name.startswith(("#", "data:", "http")):
            assert (build / "tutorials" / name.partition("#")[0]).is_file(), name


def test_a_formula_in_code_stays_as_it_is():
    html = load_pages().to_html("`$a$` and $a$\n\n    $$b$$\n")
    assert html.count("<math") == 1 and "$a$" in html and "$$b$$" in html
