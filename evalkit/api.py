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
from evalkit.pipeline.prepare import check_k, check_seed, neighbours_needed, resolve_k
from evalkit.stats.labelled_graph import graph_depth
from evalkit.stats.stratified_rows import LARGE
from evalkit.types import Codes, Evaluation, Projection, Sample, Score, Vectors

if TYPE_CHECKING:
    import pandas as pd

ON_VECTORS = ("neighbours", "separation", "clustering", "geometry")
ON_A_MAP = ("map", "hulls", "faithfulness")
FAMILIES = ("neighbours", "separation", "clustering", "probe", "geometry", *ON_A_MAP)
PROJECTIONS = ("tsne", "umap", "pca")
SMALLEST = 1e-15  # squares of numbers beyond this and its inverse leave float32's range


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Scores by name, in the order of the evaluators."""

    scores: tuple[Score, ...]
    per_text: dict[str, NDArray[Any]]  # name → (N,) values, for scores that are means over texts; NaN: row left out
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
    labels: Any,
    *,
    evaluators: Sequence[str] | None = None,
    projection: str | None = None,
    k: Sequence[int] | None = None,
    seed: int = 0,
    drop_unlabelled: bool = False,
) -> Scores:
    """Score vectors against labels: the same numbers as a run's, for people who have the vectors in hand.

    Parameters
    ----------
    vectors
        (N, d) numbers, one row a text: an array, a torch tensor, a scipy sparse matrix. Cosines are taken of them, so
        their lengths do not matter.
    labels
        (N,) labels: texts, numbers, anything that has a text form. None, NaN, NA, NaT and blank texts are missing.
    evaluators
        Families of scores; default: those of the embedding, and with a projection those of the map too.
    projection
        ``tsne``, ``umap`` or ``pca`` to score a map as well.
    k
        K of precision at K; default those of 1, 5, 10 below N.
    seed
        Of label permutations, k-means and the projection; 0 to 4294967295.
    drop_unlabelled
        Leave rows without a label out and say in ``warnings`` how many, instead of refusing them.

    Returns
    -------
    Scores
        ``scores["neighbours/precision_at_1"].value``, ``scores.table()``.

    Raises
    ------
    RequestError
        The vectors, labels or settings cannot be scored; the sentence says why.

    Examples
    --------
    >>> import numpy as np
    >>> from evalkit import evaluate
    >>> vectors = np.repeat(np.eye(2), 3, axis=0)  # two labels, three texts each, orthogonal
    >>> scores = evaluate(vectors, ["a", "a", "a", "b", "b", "b"], evaluators=["neighbours"])
    >>> scores["neighbours/precision_at_1"].value, round(scores["neighbours/precision_at_1"].chance, 3)
    (1.0, 0.4)
    """
    check_seed(seed)
    check_k(k)
    families = _families(evaluators, projection)
    table = _table(vectors)
    labels = list(labels.tolist() if hasattr(labels, "detach") else labels)  # not a tensor a label
    rows, left_out = _labelled_rows(labels, len(table), drop_unlabelled)
    raw, (codes, names) = _vectors(table[rows], rows), _codes([labels[row] for row in rows])
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
        per_text={
            name: _of_all_rows(column, rows, len(table))
            for name, column in columns.items()
            if not name.endswith(".pseudo")
        },
        label_names=names,
        projection=drawn,
        warnings=(
            *left_out,
            *(warning for evaluation in found for warning in evaluation.warnings),
            *graph_warnings(whole),
        ),
    )


def _evaluation(family: str, sample: Sample, ks: tuple[int, ...], seed: int) -> Evaluation:
    module = importlib.import_module(f"evalkit.metrics.{'map_separation' if family == 'map' else family}")
    extra = {"k": ks} if family in {"neighbours", "map"} else {}
    result: Evaluation = module.evaluate(sample, evaluator_generator(seed, family), **extra)
    return result


def _table(vectors: Any) -> NDArray[Any]:
    """(N, d) real numbers of whatever holds them: lists, numpy, pandas, sparse matrices, torch on any device."""
    if hasattr(vectors, "toarray"):
        vectors = vectors.toarray()
    if hasattr(vectors, "detach"):  # numpy takes no tensor with a gradient, on a GPU or of bfloat16
        vectors = vectors.detach().cpu().double()
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] < 1 or not np.issubdtype(array.dtype, np.number):
        raise RequestError(
            f"vectors must be a table of numbers, one row a text, and an array of shape {array.shape} and type "
            f"{array.dtype} was given: pass an (N, d) array."
        )
    if np.iscomplexobj(array):
        raise RequestError("vectors are complex numbers, which have no cosine here: pass real ones.")
    return array


def _labelled_rows(labels: Sequence[Any], n: int, drop_unlabelled: bool) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Numbers of the rows with a label, and a sentence on how many others are left out."""
    import pandas as pd

    if len(labels) != n:
        raise RequestError(f"there are {n} vectors and {len(labels)} labels: give one label a vector.")
    missing = np.array([bool(np.all(pd.isna(label))) or not str(label).strip() for label in labels], dtype=bool)
    if missing.any() and not drop_unlabelled:
        raise RequestError(
            f"row {int(np.argmax(missing))} has no label (rows counted from 0): "
            "give it one, or leave such rows out with drop_unlabelled=True."
        )
    left_out = (f"{missing.sum()} of {n} rows have no label and were left out.",) if missing.any() else ()
    return np.flatnonzero(~missing), left_out


def _vectors(array: NDArray[Any], rows: NDArray[np.int64]) -> Vectors:
    """The vectors as float32; a row whose numbers float32 cannot hold is scaled, which changes no cosine."""
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise RequestError(
            f"vectors hold NaN or infinity, first in row {int(rows[np.argmin(finite)])} (rows counted from 0): "
            "find out which text made it, and leave it out or encode it again."
        )
    if len(array) < 4:
        raise RequestError(f"at least 4 texts are needed, and {len(array)} were given: add some.")
    largest = np.abs(array).max(axis=1, keepdims=True)
    beyond = (largest > 0) & ((largest < SMALLEST) | (largest > 1 / SMALLEST))
    return np.ascontiguousarray(array / np.where(beyond, largest, 1) if beyond.any() else array, dtype=np.float32)


def _codes(labels: Sequence[Any]) -> tuple[Codes, tuple[str, ...]]:
    names, codes = np.unique(np.asarray([str(label) for label in labels], dtype=object), return_inverse=True)
    if len(names) < 2:
        raise RequestError(
            f"all texts bear the label {names[0]!r}, so nothing can be told apart: give two labels or more."
        )
    return codes.astype(np.int32), tuple(str(name) for name in names)


def _of_all_rows(column: NDArray[Any], rows: NDArray[np.int64], n: int) -> NDArray[Any]:
    """A column of the scored rows as one of all rows, NaN where a row was left out."""
    if len(rows) == n:
        return column
    full = np.full(n, np.nan)
    full[rows] = column
    return full


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
