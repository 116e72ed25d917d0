"""Content-addressed results on disk: whole, checksummed, memory-mapped, safe with several writers.

Layout (``v1`` is the format's version; another version is another folder)::

    <folder>/v1/<kind>/<first two digits>/<key>/entry.json, vectors.npy, …
    <folder>/v1/locks/    empty files that processes wait on
    <folder>/v1/pending/  what is being written now
    <folder>/v1/faulty/   the last faulty entry of a key, set aside to be looked at; may be deleted

An entry is filled in ``pending``, flushed to the disk where it is large, and renamed into place in one step, so that
nobody ever sees half of one. ``entry.json`` lists each file's size and SHA-256 and is itself checksummed: what a crash
of the machine left torn is found out and made anew. Names come from
digests and identifiers in the code, never from data.
"""

from evalkit.store.entry import Entry
from evalkit.store.hashing import digest
from evalkit.store.recent import FEW_TEXTS, Recent
from evalkit.store.store import Store

__all__ = ["FEW_TEXTS", "Entry", "Recent", "Store", "digest"]
