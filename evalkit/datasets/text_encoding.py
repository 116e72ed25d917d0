"""Opening a file that should be UTF-8 text, and saying what it is where it is not."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Callable
from pathlib import Path

from evalkit.errors import RequestError

__all__ = ["check_text", "existing_file"]

BLOCK = 1 << 20
SIGNATURES = (
    (b"\x1f\x8b", "compressed by gzip", "unpack it first"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV UTF-8"),
    (b"PAR1", "a parquet file", "read it with dataset=parquet"),
    (codecs.BOM_UTF32_LE, "UTF-32", "save it as UTF-8"),
    (codecs.BOM_UTF32_BE, "UTF-32", "save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "UTF-16", "save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "UTF-16", "save it as UTF-8"),
)
LINE_END = re.compile(rb"\r\n|\r|\n")


def existing_file(path: str) -> Path:
    """`path` as a Path, when it is a file that may be read.

    Raises
    ------
    RequestError
        Where it is missing, a folder, no regular file, or may not be read.
    """
    if not path.strip() or not path.isprintable():
        raise RequestError(
            f"dataset.path={path!r} cannot be the name of a file: name one that can be read in a message."
        )
    file = Path(path).expanduser()
    try:
        if file.is_dir():
            raise RequestError(f"dataset.path={path} is a folder, and a file is meant: name a file in it.")
        if not file.exists():
            raise RequestError(
                f"dataset.path={path} does not exist (looked in {file.absolute().parent}){_meant(file)}."
            )
        if not file.is_file():
            raise RequestError(
                f"dataset.path={path} is no regular file, and evalkit reads it twice: save it as a file."
            )
        with file.open("rb"):
            return file
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        cause = error.strerror if isinstance(error, OSError) else error
        raise RequestError(f"dataset.path={path} cannot be read ({cause}): check its name and permissions.") from error


def _meant(file: Path) -> str:
    siblings = [other.name for other in file.parent.iterdir()] if file.parent.is_dir() else []
    near = difflib.get_close_matches(file.name, siblings, 1)
    return f": perhaps {near[0]} is meant" if near else ": check the path"


def check_text(path: Path, source: str, name_line: Callable[[int], str]) -> None:
    """Refuse what is no UTF-8 text: other encodings, archives, NUL bytes, an empty file.

    Parameters
    ----------
    name_line
        Line number from 1 → what the user calls the row there (only asked for when the file is refused).

    Raises
    ------
    RequestError
        Names the row, the byte, and the cure.
    """
    with path.open("rb") as file:
        head = file.read(8)
        for magic, what, cure in SIGNATURES:
            if head.startswith(magic):
                raise RequestError(f"{source} is {what}, and UTF-8 text is meant: {cure}.")
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        offset, blank = 0, True
        while block := file.read(BLOCK):
            zero = block.find(b"\0")
            if zero >= 0:
                where = name_line(_line_at(path, offset + zero))
                raise RequestError(
                    f"{source} has a NUL byte in {where} (byte {offset + zero} of the file): "
                    "remove it, or save the file as UTF-8 if it is UTF-16."
                )
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                raise _not_utf8(path, source, offset - pending + error.start, name_line) from None
            blank = blank and not block.removeprefix(codecs.BOM_UTF8).strip()
            offset += len(block)
        if decoder.getstate()[0]:
            raise _not_utf8(path, source, offset - len(decoder.getstate()[0]), name_line)
    if blank:
        raise RequestError(f"{source} is empty: give a file with texts and labels.")


def _not_utf8(path: Path, source: str, position: int, name_line: Callable[[int], str]) -> RequestError:
    with path.open("rb") as file:
        file.seek(position)
        byte = file.read(1)[0]
    where = name_line(_line_at(path, position))
    return RequestError(
        f"{source} is not UTF-8: {where} has the byte 0x{byte:02X} (byte {position} of the file), "
        "which cannot stand there: save the file as UTF-8."
    )


def _line_at(path: Path, position: int) -> int:
    with path.open("rb") as file:
        return 1 + len(LINE_END.findall(file.read(position)))
