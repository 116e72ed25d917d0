"""Pictures that many runs share are drawn once: maps of one embedding differ, its neighbours and confusions do not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

__all__ = ["drawn_once"]

KEPT = 8
"""Pictures held, of some 200 kB each: a sweep goes from one embedding to the next, rarely back."""

_files: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()


def drawn_once(key: str, out_png: Path, out_svg: Path, draw: Callable[[], None]) -> None:
    """Write both files as they were drawn for `key` before in this process, or call `draw`, which writes them.

    Parameters
    ----------
    key
        A digest of everything that the picture shows.
    """
    known = _files.get(key)
    if known is None:
        draw()
        _files[key] = out_png.read_bytes(), out_svg.read_bytes()
        while len(_files) > KEPT:
            _files.popitem(last=False)
        return
    _files.move_to_end(key)
    for path, content in zip((out_png, out_svg), known, strict=True):
        path.write_bytes(content)
