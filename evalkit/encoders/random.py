"""Random vectors: the lower bound of every comparison."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np

from evalkit.encoders import Advance, Encoder
from evalkit.errors import RequestError
from evalkit.types import EncoderIdentity, Encoding

BLOCK = 1_024
"""Texts between two reports of progress."""


class RandomEncoder(Encoder):
    """One standard Gaussian vector a text, drawn from seed and text alone: the same in every corpus and order.

    Parameters
    ----------
    name, dimension, seed
        Name in records, length of a vector; another seed draws other vectors.
    """

    def __init__(self, name: str = "random", *, dimension: int = 768, seed: int = 0) -> None:
        if dimension < 1:
            raise RequestError(f"model.dimension={dimension} gives no vector: choose at least 1.")
        self.name, self.dimension, self.seed = name, dimension, seed

    def identify(self, pooling: str) -> EncoderIdentity:
        """See `evalkit.encoders.Encoder.identify`."""
        del pooling  # there are no tokens to pool
        return EncoderIdentity(
            kind="random",
            name=self.name,
            revision="gaussian-1",
            dimension=self.dimension,
            parameters=0,
            details={"seed": self.seed, "dimension": self.dimension},
        )

    def encode(self, texts: Sequence[str], poolings: Sequence[str], advance: Advance) -> dict[str, Encoding]:
        """See `evalkit.encoders.Encoder.encode`."""
        started = time.perf_counter()
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        key = str(self.seed).encode()
        for start in range(0, len(texts), BLOCK):
            block = texts[start : start + BLOCK]
            for row, text in enumerate(block, start):
                drawn = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=key).digest()
                generator = np.random.Generator(np.random.PCG64(int.from_bytes(drawn, "little")))
                generator.standard_normal(dtype=np.float32, out=vectors[row])
            advance(len(block))
        return dict.fromkeys(poolings, Encoding(vectors, seconds=time.perf_counter() - started, parameters=0))
