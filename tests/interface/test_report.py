"""report.html: one page, safe whatever the names are, that says what is and what is not known."""

from html.parser import HTMLParser

import numpy as np
import pytest

from kegnet_np.interface import report
from kegnet_np.io.classifier import Classifier
from kegnet_np.io.units import of_numbers
from kegnet_np.models import MLP
from kegnet_np.network import Network
from kegnet_np.tables.schema import Column, Schema

pytest.importorskip("sklearn")
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kegnet_np import DataFreeDistiller

EVIL = ("<script>alert(1)</script>", "</svg><img src=x onerror=alert(1)>", "$\\frac{$ & \"it's\"")
VOID = {"meta"}


class Page(HTMLParser):
    """What a browser would make of it: open elements, attributes, text; an error if one is open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A distiller whose classes and features have a stranger's names, and its page."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, (300, 4))
    x[:, 3] = rng.random(300) < 0.2
    y = np.array(EVIL, object)[(x[:, 0] > 5).astype(int) + (x[:, 1] > 5)]
    frame = pandas.DataFrame(x, columns=["width", *EVIL])
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0))
    distiller = DataFreeDistiller(forest.fit(frame, y), n_samples=20_000, n_students=2,
                                  random_state=0).fit()
    path = tmp_path_factory.mktemp("page") / "report.html"
    distiller.report(path)
    return distiller, path, x


def test_the_page_is_one_file_without_scripts_and_links_whatever_the_names(made):
    _, path, _ = made
    page = Page(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 400_000 and page.tags.count("svg") == 2
    assert not {"script", "img", "link", "iframe", "object", "foreignobject"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("#") or value.startswith("data:image/png;base64,")
    for name in EVIL:
        assert any(name in text for text in page.text)


def test_the_numbers_are_those_of_the_student(made):
    distiller, path, x = made
    text = " ".join(" ".join(Page(path.read_text(encoding="utf-8")).text).split())
    mean, half = distiller.agreements_.mean(), 12.706 * np.ptp(distiller.agreements_) / 2
    for words in (f"the teacher's class to {100 * distiller.agreement_:.2f} %",
                  f"the mean is {100 * mean:.2f} ± {100 * half:.2f} %",
                  f"{distiller.compression_:.1f} times smaller", f"{distiller.n_params_:,}",
                  distiller.student_.form, "counted as", "1 row at once", "10,000 rows at once",
                  f"a flag, {EVIL[2]}, that is 1 in {100 * x[:, 3].mean():.3g} % of rows",
                  "What cannot be known without data: how often the student is right"):
        assert words in text, words


@pytest.mark.parametrize("k", [2, 60])
def test_a_page_of_many_classes_and_features_stays_small(tmp_path, k, rng):
    schema = of_numbers(500, k, class_names=tuple(f"class {i}" for i in range(k)))
    c = Classifier(Network.random(MLP(500, k, (5,)), rng), schema)
    taught = report.Teacher(c.network, schema, np.arange(k), True)
    x = rng.standard_normal((2000, 500)).astype(np.float32)
    report.write(tmp_path / "a.html", c, taught, x, [1.0], [0.5, 0.25], "normal")
    assert 10_000 < (tmp_path / "a.html").stat().st_size < 400_000
    assert "so there is no interval" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_units_give_away_flags_and_categories_and_nothing_of_numbers():
    share = np.array([0.25, 0.5, 0.25, 0.1, 0.3])
    mean = np.array([*share, 0.4, 3.0])
    scale = np.array([*np.sqrt(share * (1 - share)), 0.3, 1.0])
    columns = (Column("colour", "category", ("a", "b", "c")), Column("ill"), Column("old"),
               Column("part"), Column("mass"))
    schema = Schema(columns, ("n", "y"), mean=mean, scale=scale)
    c = Classifier(Network.random(MLP(7, 2, (3,)), np.random.default_rng(0)), schema)
    assert report.revealed(c) == [
        "a category, with the shares of its values: colour=a 25 %, colour=b 50 %, colour=c 25 %",
        "a flag, ill, that is 1 in 10 % of rows", "a flag, old, that is 1 in 30 % of rows"]
    assert report.revealed(Classifier(c.network, of_numbers(7, 2))) == []


def test_a_page_is_not_overwritten_and_has_its_ending(made, tmp_path):
    distiller, path, _ = made
    with pytest.raises(ValueError, match="exists and is not overwritten"):
        distiller.report(path)
    with pytest.raises(ValueError, match="expected one that ends in .html"):
        distiller.report(tmp_path / "report.pdf")
