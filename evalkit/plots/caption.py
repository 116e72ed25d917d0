"""The caption of a map, and the stamp of a map that misleads.

A map is no evidence by itself: t-SNE and UMAP draw clumps in noise. So every map bears its scores with
their chance levels, and a stamp where its scores show that it misleads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evalkit.plots.style import PROJECTIONS, number, subject
from evalkit.types import Record, Score

__all__ = ["LEAST_CONTINUITY", "LEAST_TRUST", "lines", "precision_name", "stamp"]

LEAST_CONTINUITY = 0.9
"""Below this label continuity a map is stamped: over pairs of topics, the map separates the two better than the
vectors do by more than 0.1 of balanced accuracy on average. (Measured: 1.00 on the thirty words and on clinc150 in
MiniLM's space; 0.81 … 0.92 for tf-idf, which cannot compare single words; 0.78 … 0.98 on noise of 30 × 768.)"""

LEAST_TRUST = 0.5
"""Below this share of the way from chance to perfect, trustworthiness is called low: the map's neighbourhoods are
then made up of non-neighbours to at least half the extent of a map with its rows shuffled. (Measured: 0.71 … 0.75 on
the thirty words in MiniLM's space, 0.94 … 0.98 for UMAP and t-SNE of clinc150, 0.48 for its PCA, 0.2 … 0.4 on
noise.)"""


def precision_name(scores: Mapping[str, Score], prefix: str = "neighbours/precision_at_") -> str | None:
    """Return the name of the neighbour precision to show: K = 5, else the K nearest to 5, else None."""
    found = [name for name in scores if name.startswith(prefix) and name.removeprefix(prefix).isdigit()]
    return min(found, key=lambda name: (abs(int(name.removeprefix(prefix)) - 5), name), default=None)


def lines(record: Record) -> tuple[str, str, str]:
    """Return the caption: what was drawn, the scores of the vectors, the scores of this map."""
    scores = {score.name: score for score in record.scores}
    vectors = [_worded(scores, "separation/silhouette", "silhouette")]
    if (precision := precision_name(scores)) is not None:
        vectors.append(_worded(scores, precision, f"neighbour precision at {precision.rsplit('_', 1)[-1]}"))
    plane = [
        _worded(scores, "map/silhouette", "silhouette"),
        _worded(scores, "hulls/overlap", "hull overlap", "; 0 is best"),
    ]
    return _subject(record), _sentence("In the vectors", vectors), _sentence("On this map", plane)


def stamp(record: Record) -> str | None:
    """Return the warning that the map must bear, or None.

    A map is stamped when ``faithfulness/label_continuity`` is below `LEAST_CONTINUITY` (separation that only the
    map has), or when trustworthiness, measured from its chance level (0) to 1, is below `LEAST_TRUST` (neighbours
    on the map that are none in the vectors).
    """
    scores = {score.name: score for score in record.scores}
    warnings: list[str] = []
    continuity = scores.get("faithfulness/label_continuity")
    if continuity is not None and continuity.value is not None and continuity.value < LEAST_CONTINUITY:
        warnings.append(
            f"The map shows more separation than the vectors have (label continuity {number(continuity.value)})"
        )
    trust = next((s for name, s in scores.items() if name.startswith("faithfulness/trustworthiness_at_")), None)
    if trust is not None and trust.value is not None:
        chance = 0.5 if trust.chance is None else trust.chance
        if trust.value - chance < LEAST_TRUST * (1 - chance):
            beside = f"trustworthiness {number(trust.value)}, chance {number(chance)}"
            warnings.append(f"Neighbours on the map are often none in the vectors ({beside})")
    return "\n".join(warnings) or None


def _subject(record: Record) -> str:
    projection, corpus = record.projection, record.corpus
    name = str(projection["name"])
    parameters = projection.get("parameters", {})
    wording = {"perplexity": "perplexity {:.3g}", "n_neighbors": "{} neighbours"}
    shown = [words.format(parameters[key]) for key, words in wording.items() if key in parameters]
    parts = [
        subject(record.encoder),
        " ".join([PROJECTIONS.get(name, name), *(f"({text})" for text in shown)]),
        f"seed {projection['seed']}",
        f"{corpus['name']}: {corpus['texts']:,} texts, {corpus['labels']} topics",
    ]
    return " · ".join(parts)


def _worded(scores: Mapping[str, Score], name: str, wording: str, remark: str = "") -> str:
    score = scores.get(name)
    if score is None:
        return ""
    if score.value is None:
        return f"{wording} undefined"
    beside = "" if score.chance is None else f" (chance {number(score.chance)}{remark})"
    return f"{wording} {number(score.value)}{beside}"


def _sentence(opening: str, parts: Sequence[str]) -> str:
    known = [part for part in parts if part]
    return f"{opening}: {', '.join(known)}" if known else ""
