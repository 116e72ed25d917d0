"""A reader of one's own: a folder a label, a .txt file a text."""

from pathlib import Path

from evalkit.datasets import Table, build_corpus
from evalkit.errors import RequestError


def load(path, *, name="folders", limit=None, conflicts="first", drop_blank=False, queries=None, sample_seed=0):
    """The texts below `path`, labelled by the folder that they lie in."""
    files = sorted(Path(path).glob("*/*.txt"))
    if not files:
        raise RequestError(f"{path} has no folders with .txt files: name the folder above the labels' folders.")
    table = Table(
        source=str(path),
        texts=[file.read_text(encoding="utf-8").strip() for file in files],
        labels=[file.parent.name for file in files],
        name_row=lambda row: str(files[row]),  # what a message about one text calls it
    )
    return build_corpus(
        table, name=Path(path).name, limit=limit, conflicts=conflicts, drop_blank=drop_blank, queries=queries,
        sample_seed=sample_seed,
    )  # fmt: skip
