"""What a process made or read last of what is small: the next run of the sweep need not read it back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from evalkit.store.entry import Entry
from evalkit.store.store import Store

__all__ = ["FEW_TEXTS", "Recent"]

FEW_TEXTS = 128
"""Texts up to which results are remembered: some ten kilobytes each, whose checking takes longer than their use."""

KEPT = 256

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The last few results by store and key, shared by the runs of one process; whoever gets one leaves it as it is."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, str], Value] = OrderedDict()

    def find(self, store: Store, key: str) -> Value | None:
        """The result, or None."""
        return self._values.get((str(store.folder), key))

    def keep(self, store: Store, key: str, value: Value) -> None:
        """Remember it, and forget the oldest beyond 256."""
        self._values[str(store.folder), key] = value
        while len(self._values) > KEPT:
            self._values.popitem(last=False)

    def obtain(
        self,
        store: Store,
        kind: str,
        key: str,
        *,
        load: Callable[[Entry], Value],
        make: Callable[[], Value],
        keep: Callable[[Value], object],
        remember: bool,
    ) -> Value:
        """The result: remembered, or obtained from the store.

        Parameters
        ----------
        load, make, keep
            As `Store.obtain` takes them.
        remember
            Whether it stays in this process's memory besides.
        """
        found = self.find(store, key) if remember else None
        if found is not None:
            return found
        found = store.obtain(kind, key, load=load, make=make, keep=keep)
        if remember:
            self.keep(store, key, found)
        return found
