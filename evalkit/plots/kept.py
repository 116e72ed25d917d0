"""Pictures that many runs share are drawn once: maps of one embedding differ, its neighbours and confusions do not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["drawn_once"]

KEPT = 8
"""Pictures held, of some 200 kB each: a sweep goes from one embedding to the next, rarely back."""

_files: OrderedDict[str, dict[str, bytes]] = OrderedDict()


def drawn_once(key: str, files: Mapping[str, Path], draw: Callable[[], None]) -> None:
    """Write the files as they were drawn for `key` before in this process, or call `draw`, which writes them.

    Parameters
    ----------
    key
        A digest of everything that the picture shows.
    files
        ``out_png`` and ``out_svg``.
    """
    known = _files.get(key)
    if known is None:
        draw()
        _files[key] = {name: path.read_bytes() for name, path in files.items()}
        while len(_files) > KEPT:
            _files.popitem(last=False)
        return
    _files.move_to_end(key)
    for name, content in known.items():
        files[name].write_bytes(content)
