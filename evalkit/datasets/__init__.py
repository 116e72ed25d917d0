"""Where labelled texts come from.

Each reader module has one function ``load(…) -> values.Corpus`` that conf/dataset/NAME.yaml names. It reads a
`Table` (columns of text as they stand, and how to name a row to the user) and hands it to `build_corpus`, which
checks everything once, at the door: below it nobody meets a blank text, a duplicate or a label of a wrong type.

==================  =======================================================
`topics`            the thirty words and five queries that come with evalkit
`csv_file`          comma, semicolon, tab or bar; quotes, newlines in fields
`jsonl_file`        one JSON object a line
`parquet_file`      one parquet file
`hub`               a data set of the Hugging Face hub, or a folder of one
==================  =======================================================

A new source is a module with such a function and a YAML beside the others:

>>> from evalkit.datasets import Table, build_corpus
>>> words = ["cat", "dog", "oak", "elm"]
>>> table = Table("my words", words, ["animal", "animal", "tree", "tree"])
>>> build_corpus(table, name="words").label_names
('animal', 'tree')
"""

from evalkit.datasets.corpus import build_corpus
from evalkit.datasets.table import Table

__all__ = ["Table", "build_corpus"]
