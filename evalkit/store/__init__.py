"""Content-addressed results on disk: complete, checksummed, memory-mapped, safe with several writers.

Layout (``v1`` is the format's version; another version is another folder)::

    <folder>/v1/<kind>/<first two digits>/<key>/entry.json, vectors.npy, …
    <folder>/v1/locks/    empty files that processes wait on
    <folder>/v1/pending/  entries being written
    <folder>/v1/faulty/   the last faulty entry of a key, kept for inspection; may be deleted

An entry is filled in ``pending``, flushed to the disk where it is large, and renamed into place in one step, so no
reader sees half of one. ``entry.json`` lists each file's size and SHA-256 and is itself checksummed: an entry that a
crash of the machine left torn is detected and made anew. Names come from digests and from identifiers in the code,
never from data.
"""

from evalkit.store.entry import Entry
from evalkit.store.hashing import digest
from evalkit.store.store import Store

__all__ = ["Entry", "Store", "digest"]
