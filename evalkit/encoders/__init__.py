"""What turns texts into vectors: transformers, and the yardsticks one measures them by.

Importing this package imports no library: each encoder does so when it has to compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from evalkit.types import EncoderIdentity, Encoding

__all__ = ["Advance", "Encoder"]

Advance = Callable[[int], None]
"""Called with the number of texts finished since the last call."""


@runtime_checkable
class Encoder(Protocol):
    """Something that makes one vector a text.

    An encoder is constructed from plain settings, cheaply; what is wrong with them and can be known
    without reading a file is refused there.
    """

    def identify(self, pooling: str) -> EncoderIdentity:
        """All that determines the vectors, before a weight is loaded.

        Parameters
        ----------
        pooling
            One of `evalkit.encoders.pooling.POOLINGS`. Encoders without tokens take any, and resolve all to ``none``.

        Returns
        -------
        EncoderIdentity
            With the pooling resolved, so that two poolings that come to the same give equal identities.

        Raises
        ------
        RequestError
            The settings do not fit the model (a maximal length beyond its positions, …).
        HubUnreachableError
            The model is not here and the hub does not answer.
        EvaluationError
            The hub does not know or does not give the model, or the model is broken.
        """
        ...

    def encode(self, texts: Sequence[str], poolings: Sequence[str], advance: Advance) -> dict[str, Encoding]:
        """Vectors of `texts` for every one of `poolings`, in one pass over the texts.

        Returns
        -------
        dict
            Pooling as asked for → encoding with (len(texts), d) float32 vectors, not scaled by us.
        """
        ...

    def encode_queries(
        self, texts: Sequence[str], poolings: Sequence[str], corpus_texts: Sequence[str], advance: Advance
    ) -> dict[str, Encoding]:
        """Vectors of queries in the space of the corpus: as `encode`, except where the encoder is fitted on it.

        Parameters
        ----------
        corpus_texts
            The texts that `encode` was given.
        """
        ...
