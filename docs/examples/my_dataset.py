"""A reader of one's own: a folder a label, a .txt file a text."""

from pathlib import Path

from evalkit.datasets import Table, loader
from evalkit.errors import RequestError


def read(path):
    """The texts below `path`, labelled by the folder that they lie in."""
    files = sorted(Path(path).glob("*/*.txt"))
    if not files:
        raise RequestError(f"{path} has no folders with .txt files: name the folder above the labels' folders.")
    return Table(
        source=str(path),
        texts=[file.read_text(encoding="utf-8").strip() for file in files],
        labels=[file.parent.name for file in files],
        name_row=lambda row: str(files[row]),  # how a message names one text
        name=Path(path).name,
    )


load = loader("folders", read)
