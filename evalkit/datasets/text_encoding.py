"""Checks of a file before it is read: that it is a file, and UTF-8 text."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Callable
from pathlib import Path

from evalkit.errors import RequestError

SIGNATURES = (
    (b"\x1f\x8b", "compressed by gzip", "unpack it first"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV UTF-8"),
    (b"PAR1", "a parquet file", "read it with dataset=parquet"),
    (codecs.BOM_UTF32_LE, "UTF-32", "save it as UTF-8"),
    (codecs.BOM_UTF32_BE, "UTF-32", "save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "UTF-16", "save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "UTF-16", "save it as UTF-8"),
)


def existing_file(path: str) -> Path:
    """`path` as a Path, refused where it is no regular file that may be read."""
    if not path.strip() or not path.isprintable():
        raise RequestError(f"dataset.path={path!r} cannot be the name of a file: correct it.")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        raise RequestError(f"dataset.path={path} is an address, and a local file is meant: download it first.")
    what, file = f"dataset.path={path}", Path(path).expanduser()
    try:
        if file.is_dir():
            raise RequestError(f"{what} is a folder, and a file is meant: name a file in it.")
        if not file.exists():
            raise RequestError(f"{what} does not exist (looked in {file.parent.absolute()}){_meant(file)}.")
        if not file.is_file():
            raise RequestError(f"{what} is no regular file, and evalkit reads it twice: save it as a file.")
        with file.open("rb"):
            return file
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        cause = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"{what} cannot be read ({cause}): check its name and permissions.") from error


def _meant(file: Path) -> str:
    """What to do about a missing file."""
    if set(file.name) & set("*?["):
        return ": a pattern is not expanded, join the files and name the result"
    siblings = [other.name for other in file.parent.iterdir()] if file.parent.is_dir() else []
    near = difflib.get_close_matches(file.name, siblings, 1)
    return f": perhaps {near[0]} is meant" if near else ": check the path"


def check_text(path: Path, source: str, name_line: Callable[[int], str]) -> None:
    """Refuse what is no UTF-8 text: other encodings, archives, NUL bytes, an empty file.

    `name_line` says how a message names the row on a line, counted from 1.
    """
    content = path.read_bytes()
    for magic, what, cure in SIGNATURES:
        if content.startswith(magic):
            raise RequestError(f"{source} is {what}, and UTF-8 text is meant: {cure}.")

    def row_at(place: int) -> str:
        return name_line(1 + len(re.findall(rb"\r\n|\r|\n", content[:place])))

    zero = content.find(b"\0")
    if zero >= 0:
        raise RequestError(
            f"{source} has a NUL byte in {row_at(zero)} (byte {zero} of the file): "
            "remove it, or save the file as UTF-8 if it is UTF-16."
        )
    try:
        content.decode()
    except UnicodeDecodeError as error:
        place = error.start
        raise RequestError(
            f"{source} is not UTF-8: {row_at(place)} has the byte 0x{content[place]:02X} (byte {place} of the file), "
            "which cannot stand there: save the file as UTF-8."
        ) from None
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise RequestError(f"{source} is empty: give a file with texts and labels.")
