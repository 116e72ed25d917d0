"""`evalkit.evaluate`: the scores of vectors that one holds already, without configuration, files or tracker."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalkit.errors import RequestError
from evalkit.pipeline.embed import unit_rows
from evalkit.pipeline.evaluators import evaluator_generator
from evalkit.pipeline.neighbour_graphs import (
    graph_warnings,
    map_graph,
    projection_depth,
    projection_graph,
    scoring_graph,
)
from evalkit.pipeline.prepare import neighbours_needed, resolve_k
from evalkit.stats.labelled_graph import graph_depth
from evalkit.stats.stratified_rows import LARGE
from evalkit.types import Codes, Evaluation, Projection, Sample, Score, Vectors

if TYPE_CHECKING:
    import pandas as pd

ON_VECTORS = ("neighbours", "separation", "clustering", "geometry")
ON_A_MAP = ("map", "hulls", "faithfulness")
FAMILIES = ("neighbours", "separation", "clustering", "probe", "geometry", *ON_A_MAP)
PROJECTIONS = ("tsne", "umap", "pca")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores by name, in the order of the evaluators."""

    scores: tuple[Score, ...]
    per_text: dict[str, NDArray[Any]]  # name → (N,) values of each text, for scores that are means over texts
    label_names: tuple[str, ...]  # of the label codes, as sorted
    projection: Projection | None  # the map that the map scores are of
    warnings: tuple[str, ...]  # what to know when reading them

    def __getitem__(self, name: str) -> Score:
        for score in self.scores:
            if score.name == name:
                return score
        raise KeyError(f"no score {name!r}; there are {', '.join(score.name for score in self.scores)}")

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def table(self) -> pd.DataFrame:
        """A row a score: value, best, chance, adjusted, p_value, ci_low, ci_high, higher_is_better."""
        import pandas as pd

        fields = ["value", "best", "chance", "adjusted", "p_value", "ci_low", "ci_high", "higher_is_better"]
        rows = {score.name: [getattr(score, field) for field in fields] for score in self.scores}
        return pd.DataFrame.from_dict(rows, orient="index", columns=fields).rename_axis("score")


def evaluate(
    vectors: ArrayLike,
    labels: Sequence[Any] | NDArray[Any],
    *,
    evaluators: Sequence[str] | None = None,
    projection: str | None = None,
    k: Sequence[int] | None = None,
    seed: int = 0,
) -> Scores:
    """Score vectors against labels: the same numbers as a run's, for people who have the vectors in hand.

    Parameters
    ----------
    vectors
        (N, d) numbers, one row a text; cosines are taken of them, so their lengths do not matter.
    labels
        (N,) labels: texts, numbers, anything that has a text form.
    evaluators
        Families of scores; default: those of the embedding, and with a projection those of the map too.
    projection
        ``tsne``, ``umap`` or ``pca`` to score a map as well.
    k
        K of precision at K; default those of 1, 5, 10 below N.
    seed
        Of label permutations, k-means and the projection.

    Returns
    -------
    Scores
        ``scores["neighbours/precision_at_1"].value``, ``scores.table()``.

    Examples
    --------
    >>> import numpy as np
    >>> from evalkit import evaluate
    >>> vectors = np.repeat(np.eye(2), 3, axis=0)  # two labels, three texts each, orthogonal
    >>> scores = evaluate(vectors, ["a", "a", "a", "b", "b", "b"], evaluators=["neighbours"])
    >>> scores["neighbours/precision_at_1"].value, round(scores["neighbours/precision_at_1"].chance, 3)
    (1.0, 0.4)
    """
    raw = _vectors(vectors)
    codes, names = _codes(labels, len(raw))
    families = _families(evaluators, projection)
    ks = resolve_k(None if k is None else tuple(int(entry) for entry in k), len(raw))
    unit = unit_rows(raw)
    project = None if projection is None else importlib.import_module(f"evalkit.projections.{projection}").project
    needed = 0 if project is None else neighbours_needed(project, len(raw))
    whole = projection_graph(unit, projection_depth(ks, needed, len(raw)), seed=seed)
    depth = graph_depth(codes, ks)
    enough = len(raw) <= LARGE and depth <= whole.indices.shape[1]
    graph = whole if enough else scoring_graph(unit, codes, depth, seed=seed)
    sample = Sample(unit, raw, codes, len(names), graph=graph, whole_graph=whole)
    drawn: Projection | None = None
    on_map = sample
    if project is not None:
        drawn = project(unit, whole, seed=seed)
        near = whole if len(raw) <= LARGE else sample.graph
        on_map = replace(sample, graph=near, points=drawn.points, plane=map_graph(drawn.points, ks, near))
    found = [_evaluation(family, on_map if family in ON_A_MAP else sample, ks, seed) for family in families]
    columns = {name: column for evaluation in found for name, column in evaluation.per_text.items()}
    return Scores(
        scores=tuple(score for evaluation in found for score in evaluation.scores),
        per_text={name: column for name, column in columns.items() if not name.endswith(".pseudo")},
        label_names=names,
        projection=drawn,
        warnings=(*(warning for evaluation in found for warning in evaluation.warnings), *graph_warnings(whole)),
    )


def _evaluation(family: str, sample: Sample, ks: tuple[int, ...], seed: int) -> Evaluation:
    module = importlib.import_module(f"evalkit.metrics.{'map_separation' if family == 'map' else family}")
    extra = {"k": ks} if family in {"neighbours", "map"} else {}
    result: Evaluation = module.evaluate(sample, evaluator_generator(seed, family), **extra)
    return result


def _vectors(vectors: ArrayLike) -> Vectors:
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] < 1 or not np.issubdtype(array.dtype, np.number):
        raise RequestError(
            f"vectors must be a table of numbers, one row a text, and an array of shape {array.shape} and type "
            f"{array.dtype} was given: pass an (N, d) array."
        )
    if np.iscomplexobj(array):
        raise RequestError("vectors are complex numbers, which have no cosine here: pass real ones.")
    array = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise RequestError(
            f"vectors hold NaN or infinity, first in row {int(np.argmin(finite))} (rows counted from 0): "
            "find out which text made it, and leave it out or encode it again."
        )
    if len(array) < 4:
        raise RequestError(f"at least 4 texts are needed, and {len(array)} were given: add some.")
    return array


def _codes(labels: Sequence[Any] | NDArray[Any], n: int) -> tuple[Codes, tuple[str, ...]]:
    written = [str(label) for label in labels]
    if len(written) != n:
        raise RequestError(f"there are {n} vectors and {len(written)} labels: give one label a vector.")
    names, codes = np.unique(np.asarray(written, dtype=object), return_inverse=True)
    if len(names) < 2:
        raise RequestError(
            f"all texts bear the label {names[0]!r}, so nothing can be told apart: give two labels or more."
        )
    return codes.astype(np.int32), tuple(str(name) for name in names)


def _families(evaluators: Sequence[str] | None, projection: str | None) -> tuple[str, ...]:
    if projection is not None and projection not in PROJECTIONS:
        raise RequestError(f"there is no projection {projection!r}: choose tsne, umap or pca.")
    if evaluators is None:
        return ON_VECTORS + (ON_A_MAP if projection is not None else ())
    if not evaluators:
        raise RequestError("evaluators is empty, so nothing would be computed: name at least one.")
    for name in evaluators:
        if name not in FAMILIES:
            raise RequestError(f"there is no evaluator {name!r}: choose from {', '.join(FAMILIES)}.")
        if name in ON_A_MAP and projection is None:
            raise RequestError(f"the evaluator {name!r} scores a map, and there is none: pass projection='tsne'.")
    return tuple(dict.fromkeys(evaluators))
