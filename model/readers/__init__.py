"""Texts and summaries from where users have them. Runs without TensorFlow and Keras."""

from model.readers.reading import DataFile, read_examples
from model.readers.rows import DataError, Example

__all__ = ["DataError", "DataFile", "Example", "read_examples"]
