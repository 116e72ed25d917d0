"""Encoders: transformers, given vectors, and the baselines tf-idf and random.

Importing this package imports no library: an encoder imports what it needs when it computes.
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
    """Gives one vector a text.

    The constructor takes plain settings, is cheap, and refuses what can be known to be wrong without reading a file.
    """

    def identify(self, pooling: str) -> EncoderIdentity:
        """All that determines the vectors, known before weights are loaded.

        Poolings with equal vectors have equal identities: `pooling`, one of `evalkit.encoders.pooling.POOLINGS`, is
        resolved, by encoders without tokens always to ``none``.

        Raises
        ------
        RequestError
            The settings do not fit the model (a maximal length beyond its positions, …).
        EvaluationError
            The hub does not give the model, or does not answer (HubUnreachableError); or the model is broken.
        """

    def encode(self, texts: Sequence[str], poolings: Sequence[str], advance: Advance) -> dict[str, Encoding]:
        """Vectors of `texts` for each of `poolings`, in one pass over the texts.

        Returns
        -------
        dict
            Pooling as given → encoding with (len(texts), d) float32 vectors, as the model returns them.
        """

    def encode_queries(
        self, texts: Sequence[str], poolings: Sequence[str], corpus_texts: Sequence[str], advance: Advance
    ) -> dict[str, Encoding]:
        """Vectors of queries: as `encode`, except for encoders fitted on `corpus_texts`, which `encode` received."""
        del corpus_texts
        return self.encode(texts, poolings, advance)
