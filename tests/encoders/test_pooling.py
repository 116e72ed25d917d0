"""Names of poolings, and their modules."""

import numpy as np
import pytest

from evalkit.encoders import pooling


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"word_embedding_dimension": 3}, "mean"),
        ({"pooling_mode": "lasttoken"}, "last_token"),
        ({"pooling_mode": ["mean", "max"]}, "mean+max"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_cls_token": True}, "cls+max"),
        ({"pooling_mode_weightedmean_tokens": True}, "weighted_mean"),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, "mean_sqrt_len"),
    ],
)
def test_native_name_of_old_and_new_configurations(config, name):
    assert pooling.native_name(config) == name


# Two texts of two dimensions, three tokens; the second text's last token is padding.
TOKENS = [[[1.0, 0.0], [2.0, 4.0], [3.0, -1.0]], [[5.0, 1.0], [1.0, 3.0], [9.0, 9.0]]]
MASK = [[1, 1, 1], [1, 1, 0]]
BY_HAND = {
    "mean": [[2.0, 1.0], [3.0, 2.0]],
    "cls": [[1.0, 0.0], [5.0, 1.0]],
    "max": [[3.0, 4.0], [5.0, 3.0]],
    "mean_sqrt_len": [[6 / 3**0.5, 3 / 3**0.5], [6 / 2**0.5, 4 / 2**0.5]],
    "weighted_mean": [[14 / 6, 5 / 6], [7 / 3, 7 / 3]],
    "last_token": [[3.0, -1.0], [1.0, 3.0]],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_modules_pool_as_worked_by_hand(name):
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling

    features = {"token_embeddings": torch.tensor(TOKENS), "attention_mask": torch.tensor(MASK)}
    pooled = Pooling(2, pooling.MODES[name])(features)["sentence_embedding"].numpy()
    np.testing.assert_allclose(pooled, BY_HAND[name], rtol=1e-6)


def test_every_pooling_of_the_contract_has_a_module():
    assert pooling.POOLINGS == (
        "native", "mean", "cls", "max", "mean_sqrt_len", "weighted_mean", "last_token",
    )  # fmt: skip
