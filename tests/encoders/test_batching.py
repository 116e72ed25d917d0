"""Batches by length, and what a checkpoint's small files say."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.encoders import checkpoint_config
from evalkit.encoders.batching import batches
from evalkit.errors import EvaluationError, RequestError


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 200))
def test_batches_hold_every_text_once_and_stay_within_their_tokens(lengths, tokens):
    made = list(batches(np.array(lengths, dtype=np.int64), tokens))
    assert sorted(row for rows in made for row in rows.tolist()) == list(range(len(lengths)))
    longest = [max(lengths[row] for row in rows) for rows in made]
    assert longest == sorted(longest, reverse=True)
    for rows, width in zip(made, longest, strict=True):
        assert len(rows) * width <= tokens or len(rows) == 1


def test_batches_are_as_full_as_can_be():
    assert [rows.tolist() for rows in batches(np.array([2, 9, 2, 4, 2]), 8)] == [[1], [3, 0], [2, 4]]


def write(folder, **files):
    for name, content in files.items():
        path = folder / (name.replace("__", "/") + ".json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def test_a_causal_language_model_takes_its_last_token(tmp_path):
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": 8, "max_position_embeddings": 99}
    assert checkpoint_config.read(write(tmp_path, config=config), "it").native_pooling == "last_token"
    bidirectional = {**config, "is_causal": False}
    assert checkpoint_config.read(write(tmp_path, config=bidirectional), "it").native_pooling == "mean"


def test_limits_are_the_least_of_tokenizer_and_positions(tmp_path):
    config = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1, "hidden_size": 8}
    write(tmp_path, config=config, tokenizer_config={"model_max_length": 10**30})
    assert checkpoint_config.read(tmp_path, "it").max_length == 512
    write(tmp_path, tokenizer_config={"model_max_length": 128})
    assert checkpoint_config.read(tmp_path, "it").max_length == 128
    write(tmp_path, config={"model_type": "t5", "d_model": 8}, tokenizer_config={})
    parts = checkpoint_config.read(tmp_path, "it")
    assert (parts.max_length, parts.positions, parts.dimension) == (None, None, 8)


def modules(*kinds):
    return [
        {"path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]


def test_concatenated_poolings_are_named_and_a_layer_behind_them_keeps_them(tmp_path):
    pooled = {"word_embedding_dimension": 8, "pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}
    write(tmp_path, config={"hidden_size": 8}, modules=modules("Transformer", "Pooling"))
    write(tmp_path, **{"1_Pooling__config": pooled})
    parts = checkpoint_config.read(tmp_path, "it")
    assert (parts.native_pooling, parts.dimension) == ("cls+max", 16)
    assert parts.resolve_pooling("mean", "it") == "mean"
    write(tmp_path, modules=modules("Transformer", "Pooling", "Dense"), **{"2_Dense__config": {"out_features": 5}})
    parts = checkpoint_config.read(tmp_path, "it")
    assert parts.dimension == 5
    with pytest.raises(RequestError, match=r"needs the length of cls\+max"):
        parts.resolve_pooling("mean", "it")


@pytest.mark.parametrize(
    ("files", "stated"),
    [
        ({"config_sentence_transformers": {"model_type": "SparseEncoder"}}, "says SparseEncoder"),
        ({"config_sentence_transformers": {"model_type": "CrossEncoder"}}, "says CrossEncoder"),
        ({"modules": modules("Transformer", "SpladePooling")}, r"names sentence_transformers\.models\.SpladePooling"),
        ({"config": {"architectures": ["BertForSequenceClassification"]}}, "says BertForSequenceClassification"),
        ({"config": {"architectures": ["HF_ColBERT"]}}, "says HF_ColBERT"),
    ],
)
def test_a_model_without_one_vector_a_text_is_refused(tmp_path, files, stated):
    with pytest.raises(RequestError, match=rf"it is no model of one dense vector a text \(.* {stated}\): choose"):
        checkpoint_config.read(write(tmp_path, **{"config": {"hidden_size": 8}, **files}), "it")


def test_unknown_poolings_and_unreadable_files_are_refused(tmp_path):
    parts = checkpoint_config.read(write(tmp_path, config={"hidden_size": 8}), "it")
    with pytest.raises(RequestError, match="pooling=median does not exist"):
        parts.resolve_pooling("median", "it")
    write(tmp_path, modules={"no": "list"})
    with pytest.raises(EvaluationError, match="no list of modules"):
        checkpoint_config.read(tmp_path, "it")
