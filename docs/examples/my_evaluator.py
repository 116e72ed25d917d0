"""An evaluator of one's own: several scores, values for every text, intervals, and a paired comparison.

margin/mean is the mean over texts of (cosine with the nearest text of the own label) less (cosine with the
nearest text of another label); margin/positive is the share of texts for which that is above 0.
"""

import numpy as np

from evalkit.errors import RequestError
from evalkit.stats.mean_intervals import pseudo_value_interval
from evalkit.stats.permutation import build_score, permute_scores
from evalkit.types import Evaluation, Sample


def margins(cosines, codes):
    """(N,) margins; `cosines` has −inf on its diagonal."""
    same = codes[:, None] == codes
    own = np.where(same, cosines, -np.inf).max(axis=1)
    other = np.where(same, -np.inf, cosines).max(axis=1)
    return own - other


def evaluate(sample: Sample, rng: np.random.Generator, *, permutations: int = 99) -> Evaluation:
    """Mean margin and share of positive margins, by cosine; for corpora of some hundred texts."""
    codes = sample.labels
    if np.bincount(codes).min() < 3:  # one to look from, one to see, and one that may be left out
        raise RequestError("margin needs three texts of every label: add some, or leave margin out of evaluators.")
    cosines = sample.unit.astype(np.float64) @ sample.unit.T
    np.fill_diagonal(cosines, -np.inf)

    def scores_of(labelling, kept=slice(None)):
        found = margins(cosines[kept][:, kept], labelling[kept])
        return {"margin/mean": found.mean(), "margin/positive": (found > 0).mean()}

    def statistic(labellings):  # (P, N) labellings → name → (P,) values
        rows = [scores_of(labelling) for labelling in labellings]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    n = codes.size
    values = scores_of(codes)
    null = permute_scores(statistic, codes, count=permutations, rng=rng)
    # A text's margin depends on the other texts, so its own value says too little about the score's spread:
    # leave each text out once, and count again.
    without = [scores_of(codes, np.arange(n) != text) for text in range(n)]
    per_text = {"margin/mean": margins(cosines, codes), "margin/positive": (margins(cosines, codes) > 0).astype(float)}
    scores = []
    for name, low, high, best in (("margin/mean", -2.0, 2.0, None), ("margin/positive", 0.0, 1.0, 1.0)):
        pseudo = n * values[name] - (n - 1) * np.array([each[name] for each in without])
        per_text[f"{name}.pseudo"] = pseudo  # makes the score appear in comparisons.csv
        interval = pseudo_value_interval(values[name], pseudo, low=low, high=high)
        scores.append(build_score(name, "embedding", values[name], best=best, null=null[name], interval=interval))
    return Evaluation(scores=tuple(scores), per_text=per_text)
