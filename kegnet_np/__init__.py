"""KegNet for tabular classifiers, on NumPy: a small network from a trained one, with no data."""

__version__ = "0.1.0"
