"""The caption of a map, and the stamp of a map that misleads.

t-SNE and UMAP draw clumps in noise, so no map is evidence by itself: every map bears its scores beside their chance.
"""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.plots.style import number, projection_name, subject
from evalkit.types import Record, Score

LEAST_CONTINUITY = 0.9
"""Below this label continuity a map is stamped: over pairs of topics, it separates the two better than the vectors do
by more than 0.1 of balanced accuracy on average. (Measured: 1.00 on the thirty words and on clinc150 in MiniLM's space;
0.81 … 0.92 for tf-idf, which cannot compare single words; 0.78 … 0.98 on noise of 30 × 768.)"""

LEAST_TRUST = 0.5
"""Below this share of the way from chance to perfect, trustworthiness is called low: the map's neighbourhoods are then
made up of non-neighbours to at least half the extent of a map with its rows shuffled. (Measured: 0.71 … 0.75 on the
thirty words in MiniLM's space, 0.94 … 0.98 for UMAP and t-SNE of clinc150, 0.48 for its PCA, 0.2 … 0.4 on noise.)"""

PRECISION = "neighbours/precision_at_"


def precision_at(scores: Mapping[str, Score]) -> int | None:
    """Return the K of the neighbour precision to show: 5, else the nearest to it; None without such a score."""
    known = [int(k) for name in scores if name.startswith(PRECISION) and (k := name.removeprefix(PRECISION)).isdigit()]
    return min(known, key=lambda k: (abs(k - 5), k), default=None)


def lines(record: Record) -> tuple[str, str, str]:
    """Return the caption: what was drawn, the scores of the vectors, the scores of this map."""
    scores = {score.name: score for score in record.scores}
    k = precision_at(scores)
    vectors = {"separation/silhouette": "silhouette", f"{PRECISION}{k}": f"neighbour precision at {k}"}
    plane = {"map/silhouette": "silhouette", "hulls/overlap": "hull overlap"}
    return _subject(record), _sentence("In the vectors", vectors, scores), _sentence("On this map", plane, scores)


def stamp(record: Record) -> str | None:
    """Return the warning that the map must bear, or None.

    It says where only the map has a separation (`LEAST_CONTINUITY`), and where neighbours on the map are none in the
    vectors (`LEAST_TRUST`).
    """
    scores = {score.name: score for score in record.scores}
    warnings: list[str] = []
    continuity = scores.get("faithfulness/label_continuity")
    if continuity is not None and continuity.value is not None and continuity.value < LEAST_CONTINUITY:
        found = f"label continuity {number(continuity.value)}"
        warnings.append(f"The map shows more separation than the vectors have ({found})")
    trust = next((s for name, s in scores.items() if name.startswith("faithfulness/trustworthiness_at_")), None)
    if trust is not None and trust.value is not None:
        chance = 0.5 if trust.chance is None else trust.chance
        if trust.value - chance < LEAST_TRUST * (1 - chance):
            found = f"trustworthiness {number(trust.value)}, chance {number(chance)}"
            warnings.append(f"Neighbours on the map are often none in the vectors ({found})")
    return "\n".join(warnings) or None


def _subject(record: Record) -> str:
    projection, corpus = record.projection, record.corpus
    parameters = projection.get("parameters", {})
    wording = {"perplexity": "(perplexity {:.3g})", "n_neighbors": "({} neighbours)"}
    shown = [words.format(parameters[key]) for key, words in wording.items() if key in parameters]
    drawn_by = " ".join([projection_name(record), *shown])
    texts = f"{corpus['name']}: {corpus['texts']:,} texts, {corpus['labels']} topics"
    return f"{subject(record.encoder)} · {drawn_by} · seed {projection['seed']} · {texts}"


def _sentence(opening: str, wordings: Mapping[str, str], scores: Mapping[str, Score]) -> str:
    """Those of the worded scores that there are, each beside its chance level; empty where there are none."""
    parts = []
    for name, wording in wordings.items():
        if (score := scores.get(name)) is None:
            continue
        if score.value is None:
            parts.append(f"{wording} undefined")
            continue
        remark = "; 0 is best" if score.best == 0 else ""
        chance = "" if score.chance is None else f" (chance {number(score.chance)}{remark})"
        parts.append(f"{wording} {number(score.value)}{chance}")
    return f"{opening}: {', '.join(parts)}" if parts else ""
