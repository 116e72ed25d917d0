"""Labelled texts.

Each reader module has a function ``read(…) -> Table`` (columns of text as they stand, and how messages name a row) and
``load = loader(NAME, read)``, which conf/dataset/NAME.yaml names: it reads the table and hands it to `build_corpus`.
Everything is checked there once; nothing below meets a blank text, a duplicate or a label of a wrong type.

>>> from evalkit.datasets import Table, build_corpus
>>> words = ["cat", "dog", "oak", "elm"]
>>> table = Table("my words", words, ["animal", "animal", "tree", "tree"])
>>> build_corpus(table, name="words").label_names
('animal', 'tree')
"""

from evalkit.datasets.corpus import Corpus, Split, build_corpus, loader
from evalkit.datasets.table import Table

__all__ = ["Corpus", "Split", "Table", "build_corpus", "loader"]
