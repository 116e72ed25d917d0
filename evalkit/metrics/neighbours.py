"""Do a text's nearest neighbours bear its label? Precision at K, R-precision and MAP@R (Musgrave et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import RequestError
from evalkit.metrics.hubness import hubness_score
from evalkit.stats.graph_intervals import calibrate, mean_interval
from evalkit.stats.jackknife import Jackknife, jackknife
from evalkit.stats.labelled_graph import LabelledGraph, label_statistic, r_places
from evalkit.stats.macro_tests import without_macro_tests
from evalkit.stats.permutation import build_score, permutation_count, permute_scores
from evalkit.stats.stratified_rows import LARGE
from evalkit.types import Codes, Evaluation, Floats, NeighbourGraph, Sample, Score, Space

Sizes = NDArray[np.int64]

BLOCK = 128  # labellings that the compiled loop takes at a time
BUDGET = 5e9  # places times labellings that a null may cost: a few seconds on two cores


def evaluate(sample: Sample, rng: np.random.Generator, *, k: Sequence[int] | None = None) -> Evaluation:
    """All neighbour scores of an embedding.

    Parameters
    ----------
    sample
        Its ``graph`` (as deep as `evalkit.stats.labelled_graph.graph_depth` says), ``whole_graph``, labels and vectors.
    rng
        Draws the label permutations and the Gaussian vectors that hubness is compared with.
    k
        K of precision at K; None takes those of 1, 5, 10 below N. A K of N or more, or below 1, is refused.
    """
    graph_scores = evaluate_graph(
        sample.graph, sample.labels, rng, ks=checked_ks(k, sample.labels.size), prefix="neighbours/precision_at_",
        space="embedding", r_prefix="neighbours/",
    )  # fmt: skip
    return replace(graph_scores, scores=(*graph_scores.scores, hubness_score(sample, rng)))


def checked_ks(k: Sequence[int] | None, n: int) -> list[int]:
    """Ascending K for `n` texts: those of 1, 5, 10 below N where none are given; refuses a K of N or more."""
    ks = [each for each in (1, 5, 10) if each < n] if k is None else sorted({int(each) for each in k})
    if not ks or ks[0] < 1 or ks[-1] >= n:
        raise RequestError(f"k must lie between 1 and {n - 1} for {n} texts, found {list(k or ())}: change k.")
    return ks


def evaluate_graph(
    graph: NeighbourGraph,
    labels: Codes,
    rng: np.random.Generator,
    *,
    ks: Sequence[int],
    prefix: str,
    space: Space,
    r_prefix: str | None = None,
    permutations: int | None = None,
) -> Evaluation:
    """Precision at each K on any neighbour graph, micro and macro, with per-text values and pseudo-values.

    The graph is at least K + 1 deep (R + 1 where `r_prefix` adds R-precision and MAP@R), or N − 1. `permutations` of
    None takes 999, or 99 where they would cost too much or the corpus is large.
    """
    sizes = np.bincount(labels).astype(np.int64)
    labelled = LabelledGraph.of(graph, sizes, ks, r_scores=r_prefix is not None)
    names = [f"{prefix}{k}" for k in labelled.ks]
    if r_prefix is not None:
        names += [f"{r_prefix}r_precision", f"{r_prefix}map_at_r"]
    null = _null(labelled, names, labels, rng, permutations)
    observed = jackknife(labelled, labels)
    scores, per_text = [], {}
    for s, name in enumerate(names):
        per_text[name] = np.full(labels.size, np.nan)
        per_text[name][labelled.queries] = observed.values[s]
        if s >= labelled.ks.size:
            per_text[name][sizes[labels] < 2] = np.nan
        for kind, suffix in enumerate(("", "_macro")):
            score, pseudo = _score(name + suffix, space, labelled, labels, observed, (kind, s), null[name + suffix])
            scores.append(score)
            per_text[f"{name}{suffix}.pseudo"] = pseudo
    return without_macro_tests(Evaluation(scores=tuple(scores), per_text=per_text), sizes)


def _null(
    graph: LabelledGraph, names: Sequence[str], labels: Codes, rng: np.random.Generator, permutations: int | None
) -> dict[str, Floats]:
    """Permuted scores; fewer of the R-scores' where lists are long, since they cost R/K times as much."""

    def count(deepest: int) -> int:
        if permutations is not None:
            return permutations
        return 99 if labels.size > LARGE else permutation_count(float(graph.queries.size * deepest), budget=BUDGET)

    few, many = count(int(max(graph.places.max(), *graph.ks))), count(int(graph.ks[-1]))
    if few == many:
        return permute_scores(label_statistic(graph, names), labels, count=many, rng=rng, block=BLOCK)
    k_only, r_only = replace(graph, places=np.zeros_like(graph.places)), replace(graph, ks=graph.ks[:0])
    k_names, r_names = names[: graph.ks.size], names[graph.ks.size :]
    null = permute_scores(label_statistic(k_only, k_names), labels, count=many, rng=rng, block=BLOCK)
    return null | permute_scores(label_statistic(r_only, r_names), labels, count=few, rng=rng, block=BLOCK)


def _score(
    name: str,
    space: Space,
    graph: LabelledGraph,
    labels: Codes,
    observed: Jackknife,
    place: tuple[int, int],
    null: Floats,
) -> tuple[Score, Floats]:
    """The micro (kind 0) or macro (1) score of a place (kind, score), and its calibrated pseudo-values."""
    kind, s = place
    chance, best, parameters = _describe(name, int(graph.ks[s]) if s < graph.ks.size else None, kind, graph)
    value, interval = float(observed.means[place]), None
    if best > 0:
        pseudo = calibrate(value, observed.pseudo[place], float(observed.second_order[place]), labels, high=best)
        interval = mean_interval(value, pseudo, high=best, labels=labels if kind else None)
    else:  # every label has one text: precision cannot vary, and R-scores have no meaning
        value = 0.0 if "K" in parameters else float("nan")
        pseudo = np.full(labels.size, value)
    score = build_score(
        name, space, value, best=best, chance=chance, null=null, interval=interval, parameters=parameters
    )
    return score, pseudo


def _describe(name: str, k: int | None, kind: int, graph: LabelledGraph) -> tuple[float | None, float, dict[str, Any]]:
    """Chance (None where R-scores have no meaning), best and parameters of a score."""
    sizes = graph.sizes
    queries = {"queries": int(graph.queries.size)} if graph.sampled else {}
    if k is not None:
        return precision_chance(sizes)[kind], precision_best(sizes, k)[kind], {"K": k, **queries}
    capped = "min(n_c − 1, 1000)" if r_places(sizes)[1] else "n_c − 1"
    parameters = {"R": capped, "left_out": int((sizes == 1).sum()), **queries}
    if (sizes < 2).all():
        return None, 0.0, parameters
    chances = average_precision_chance(sizes) if "map_at_r" in name else precision_chance(sizes, lone=False)
    return chances[kind], 1.0, parameters


def precision_chance(sizes: Sizes, *, lone: bool = True) -> tuple[float, float]:
    """Chance of precision and R-precision, micro and macro: (n_c − 1)/(N − 1) averaged, with or without lone texts."""
    return _averages(sizes - 1, sizes, divisor=int(sizes.sum()) - 1, lone=lone)


def average_precision_chance(sizes: Sizes) -> tuple[float, float]:
    """Chance of MAP@R, micro and macro: p·mean over i ≤ R of (1 + (i − 1)p')/i, of the label's true size."""
    total = int(sizes.sum())
    places, _ = r_places(sizes)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, max(int(places.max()), 1) + 1))])
    p, p_next = (sizes - 1) / (total - 1), (sizes - 2) / max(total - 2, 1)
    first = harmonic[places]
    chance = p * (first + p_next * (places - first)) / np.maximum(places, 1)
    return _averages(chance, sizes, lone=False)


def precision_best(sizes: Sizes, k: int) -> tuple[float, float]:
    """Precision at K of perfect data: the mean of min(1, (n_c − 1)/K), micro and macro."""
    return _averages(np.minimum(sizes - 1, k), sizes, divisor=k, lone=True)


def _averages(by_label: NDArray[Any], sizes: Sizes, *, divisor: int = 1, lone: bool) -> tuple[float, float]:
    """Means over texts and over labels; divided last, so that whole numbers lose nothing."""
    used = sizes >= (1 if lone else 2)
    if not used.any():
        return float("nan"), float("nan")
    total, texts = (by_label * sizes)[used].sum(), sizes[used].sum()
    return float(total / (divisor * texts)), float(by_label[used].sum() / (divisor * np.count_nonzero(used)))
