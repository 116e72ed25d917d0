"""Encoding with the five architectures, through the true download path."""

import json
import os

import numpy as np
import pytest
from hub.checkpoints import MODELS, build

from evalkit.encoders.transformer import TransformerEncoder
from evalkit.errors import EvaluationError, RequestError

TEXTS = [
    "play my favourite album",
    "  Bank of America, please  ",
    "will it rain tomorrow in Canada?",
    "mango",
    "",
    "Zebra ZEBRA zebra",
    "rate this book six stars " * 90,
    "find a cinema near me tonight",
]
POOLINGS = ["native", "mean", "cls", "max", "mean_sqrt_len", "weighted_mean", "last_token"]


def silent(_):
    """No progress to show."""


def encoder(name, **options):
    return TransformerEncoder(MODELS[name].repo, **{"revision": MODELS[name].commit, "device": "cpu", **options})


def reference(folder, texts, **options):
    from sentence_transformers import SentenceTransformer

    truncate_dim = options.pop("truncate_dim", None)
    model = SentenceTransformer(str(folder), device="cpu", truncate_dim=truncate_dim)
    return model.encode(texts, batch_size=3, show_progress_bar=False, **options)


def native(made, texts=TEXTS):
    return made.encode(texts, ["native"], silent)["native"]


def close(made, expected):
    np.testing.assert_allclose(made.vectors, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", MODELS)
def test_native_is_what_sentence_transformers_encodes(name, hub_client, hub_checkpoints):
    made = native(encoder(name, batch_tokens=300))
    close(made, reference(hub_checkpoints[name], TEXTS))
    assert made.vectors.dtype == np.float32
    assert made.truncated == 1
    assert made.seconds > 0


@pytest.mark.parametrize("name", ["bert", "mpnet", "bge"])
def test_each_pooling_is_sentence_transformers_own(name, hub_client, hub_checkpoints):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    modes = ["mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
    made = encoder(name, batch_tokens=64).encode(TEXTS, POOLINGS, silent)
    whole = SentenceTransformer(str(hub_checkpoints[name]), device="cpu")
    for pooling, mode in zip(POOLINGS[1:], modes, strict=True):
        tail = [Normalize()] if MODELS[name].library else []
        model = SentenceTransformer(modules=[whole[0], Pooling(32, mode), *tail], device="cpu")
        close(made[pooling], model.encode(TEXTS))


def test_all_poolings_take_one_forward_pass(hub_client, monkeypatch):
    from transformers import BertModel

    rows = []
    forward = BertModel.forward

    def counted(self, *arguments, **options):
        rows.append(len(options["input_ids"]))
        return forward(self, *arguments, **options)

    monkeypatch.setattr(BertModel, "forward", counted)
    finished = []
    made = encoder("bge", batch_tokens=40).encode(TEXTS[:6], POOLINGS, finished.append)
    assert set(made) == set(POOLINGS)
    assert sum(rows) == len(TEXTS[:6])
    assert finished == rows
    assert len(rows) > 1


def test_equal_poolings_have_equal_identities(hub_client):
    expected = {"bert": "mean", "distilbert": "mean", "mpnet": "mean", "bge": "cls", "minilm": "mean"}
    for name, own in expected.items():
        made = encoder(name)
        assert made.identify("native") == made.identify(own)
        assert made.identify("native").native_pooling == own
        assert made.identify("max") != made.identify("native")


def test_identity_is_known_without_weights(hub_client):
    identity = encoder("mpnet").identify("native")
    assert identity.name == "sentence-transformers/all-mpnet-base-v2"
    assert identity.revision == MODELS["mpnet"].commit
    assert (identity.dimension, identity.max_length, identity.normalised) == (32, 384, True)
    assert identity.dtype == "float32"
    assert hub_client.asked(r"safetensors") == 0
    assert encoder("bert").identify("native").max_length == 512
    assert not encoder("bert").identify("native").normalised


@pytest.mark.parametrize("name", MODELS)
def test_identity_names_the_limits_of_the_loaded_model(name, hub_client):
    made = encoder(name)
    made.encode(["mango"], ["native"], silent)
    assert made.identify("native").max_length == made._model.max_seq_length
    assert made.identify("native").dimension == made._model.get_embedding_dimension()


def test_max_length_cuts_and_is_counted(hub_client, hub_checkpoints):
    from sentence_transformers import SentenceTransformer

    texts = ["mango apple", "apple banana orange", "grape mango apple banana"]
    made = native(encoder("bge", max_length=5), texts)
    model = SentenceTransformer(str(hub_checkpoints["bge"]), device="cpu")
    model.max_seq_length = 5
    lengths = [len(tokens) for tokens in model.tokenizer(texts)["input_ids"]]
    assert lengths == [4, 5, 6]
    assert made.truncated == 1
    close(made, model.encode(texts))


@pytest.mark.parametrize(("limit", "found"), [(513, "512 positions"), (2, "adds 2 of its own")])
def test_max_length_that_cannot_be_is_refused(limit, found, hub_client):
    with pytest.raises(RequestError, match=found):
        encoder("bge", max_length=limit).encode(["mango"], ["native"], silent)


def test_positions_of_mpnet_begin_behind_its_padding(hub_client):
    assert encoder("mpnet", max_length=512).encode(TEXTS[6:7], ["mean"], silent)["mean"].truncated == 1
    with pytest.raises(RequestError, match="512 positions"):
        encoder("mpnet", max_length=513).identify("native")


def test_truncate_dim_keeps_the_first(hub_client, hub_checkpoints):
    made = encoder("mpnet", truncate_dim=8)
    identity = made.identify("native")
    assert (identity.dimension, identity.normalised, identity.details["truncate_dim"]) == (8, False, 8)
    expected = reference(hub_checkpoints["mpnet"], TEXTS, truncate_dim=8)
    close(native(made), expected)
    assert encoder("mpnet", truncate_dim=32).identify("native") == encoder("mpnet").identify("native")
    with pytest.raises(RequestError, match="more than the 32 dimensions"):
        encoder("mpnet", truncate_dim=33).identify("native")


@pytest.fixture
def prompted(tmp_path):
    return build("bge", tmp_path / "prompted", prompts={"query": "find a book: ", "passage": "book: "})


def test_prompt_is_a_name_or_a_text(prompted):
    named = TransformerEncoder(str(prompted), prompt="query", device="cpu")
    literal = TransformerEncoder(str(prompted), prompt="find a book: ", device="cpu")
    assert named.identify("native").prompt == "find a book: "
    assert named.identify("native") == literal.identify("native")
    expected = reference(prompted, TEXTS[:4], prompt_name="query")
    close(native(named, TEXTS[:4]), expected)
    assert TransformerEncoder(str(prompted)).identify("native").prompt is None
    with pytest.raises(RequestError, match="has passage, query"):
        TransformerEncoder(str(prompted), prompt="qurey").identify("native")


@pytest.mark.parametrize(
    ("options", "texts", "queries"),
    [
        ({}, None, "find a book: "), ({"prompt": "passage"}, "book: ", "book: "), ({"prompt": ""}, None, None),
        ({"document_prompt": "passage"}, "book: ", "find a book: "), ({"query_prompt": "ask: "}, None, "ask: "),
        ({"prompt": "passage", "query_prompt": ""}, "book: ", None),
    ],
)  # fmt: skip
def test_texts_and_queries_get_the_prompts_of_their_sides(prompted, options, texts, queries):
    made = TransformerEncoder(str(prompted), device="cpu", **options)
    identity = made.identify("native")
    assert (identity.prompt, identity.query_side.get("prompt", identity.prompt)) == (texts, queries)
    close(
        made.encode_queries(TEXTS[:3], ["native"], (), silent)["native"],
        reference(prompted, TEXTS[:3], prompt=queries or ""),
    )
    close(native(made, TEXTS[:3]), reference(prompted, TEXTS[:3], prompt=texts or ""))


def test_queries_take_their_route_through_the_model(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Router, Transformer

    sides = [
        [Transformer(str(build("bge", tmp_path / side, seed=seed))), Pooling(32)]
        for side, seed in (("query", 1), ("document", 2))
    ]
    model = SentenceTransformer(modules=[Router.for_query_document(*sides)])
    model.save(str(tmp_path / "routed"))
    made = TransformerEncoder(str(tmp_path / "routed"), device="cpu")
    assert made.identify("native").query_side == {"prompt": None, "task": "query"}
    queries = made.encode_queries(TEXTS[:3], ["native"], (), silent)["native"]
    close(queries, model.encode_query(TEXTS[:3]))
    close(native(made, TEXTS[:3]), model.encode_document(TEXTS[:3]))
    assert np.abs(queries.vectors - model.encode_document(TEXTS[:3])).max() > 0.01


def test_prompt_tokens_stay_out_where_the_model_says_so(prompted):
    config = prompted / "1_Pooling" / "config.json"
    changed = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "include_prompt": False}
    config.write_text(json.dumps({**json.loads(config.read_text()), **changed}))
    made = TransformerEncoder(str(prompted), prompt="query", device="cpu")
    assert made.identify("native").details["include_prompt"] is False
    expected = reference(prompted, TEXTS[:4], prompt_name="query")
    close(made.encode(TEXTS[:4], ["mean"], silent)["mean"], expected)


def test_the_models_default_prompt_is_used_unasked(prompted):
    config = prompted / "config_sentence_transformers.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "default_prompt_name": "passage"}))
    made = TransformerEncoder(str(prompted), device="cpu")
    assert made.identify("native").prompt == "book: "
    expected = reference(prompted, TEXTS[:4])
    close(native(made, TEXTS[:4]), expected)
    assert TransformerEncoder(str(prompted), prompt="").identify("native").prompt is None


def test_a_dense_layer_behind_the_pooling_is_kept(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling

    plain = SentenceTransformer(str(build("bge", tmp_path / "plain")), device="cpu")
    dense = SentenceTransformer(modules=[plain[0], Pooling(32, "cls"), Dense(32, 12), Normalize()], device="cpu")
    dense.save(str(tmp_path / "dense"), create_model_card=False)
    made = TransformerEncoder(str(tmp_path / "dense"), device="cpu")
    identity = made.identify("native")
    assert (identity.dimension, identity.native_pooling) == (12, "cls")
    assert identity.details["modules"] == ["Transformer", "Pooling", "Dense", "Normalize"]
    vectors = made.encode(TEXTS, ["native", "mean"], silent)
    close(vectors["native"], dense.encode(TEXTS))
    mean = SentenceTransformer(modules=[plain[0], Pooling(32, "mean"), *list(dense)[2:]], device="cpu")
    close(vectors["mean"], mean.encode(TEXTS))


def test_a_half_precision_checkpoint_is_computed_exactly(tmp_path):
    from sentence_transformers import SentenceTransformer

    folder = build("bge", tmp_path / "whole")
    half = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": "bfloat16"})
    half.save(str(tmp_path / "half"), create_model_card=False)
    made = native(TransformerEncoder(str(tmp_path / "half"), device="cpu"))
    exact = SentenceTransformer(str(tmp_path / "half"), device="cpu", model_kwargs={"dtype": "float32"})
    close(made, exact.encode(TEXTS))


def test_bfloat16_is_another_identity_and_close(hub_client):
    exact, fast = encoder("bge"), encoder("bge", dtype="bfloat16")
    assert fast.identify("native").dtype == "bfloat16"
    assert encoder("bge", dtype="float32").identify("native") == exact.identify("native")
    a = native(exact).vectors
    b = native(fast).vectors
    assert b.dtype == np.float32
    assert not np.array_equal(a, b)
    assert np.einsum("nd,nd->n", a, b).min() > 0.999


def test_a_model_without_tokens_has_its_own_pooling_only(tmp_path):
    from hub.checkpoints import WORDS, make_tokenizer
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = make_tokenizer("bert", WORDS).backend_tokenizer
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu")
    static.save(str(tmp_path / "static"), create_model_card=False)
    made = TransformerEncoder(str(tmp_path / "static"), device="cpu")
    assert made.identify("native").native_pooling == "none"
    texts = TEXTS[:4]
    close(native(made, texts), static.encode(texts))
    with pytest.raises(RequestError, match="use pooling=native"):
        made.identify("mean")


def test_a_folder_is_known_by_its_content(hub_checkpoints, tmp_path):
    first = TransformerEncoder(str(build("bge", tmp_path / "a" / "model", seed=1))).identify("native")
    again = TransformerEncoder(str(build("bge", tmp_path / "b" / "model", seed=1))).identify("native")
    other = TransformerEncoder(str(build("bge", tmp_path / "c" / "model", seed=2))).identify("native")
    assert first == again
    assert first.name == "model"
    assert first.revision.startswith("sha256:")
    assert first.revision != other.revision


def test_folders_that_are_no_models_or_have_a_revision_are_refused_at_once(tmp_path, hub_checkpoints):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for name, said in (("nowhere", "does not exist"), ("empty", "holds no model"), ("file", "is a file")):
        with pytest.raises(RequestError, match=said):
            TransformerEncoder(str(tmp_path / name))
    with pytest.raises(RequestError, match=r"model\.revision=main out"):
        TransformerEncoder(str(hub_checkpoints["bge"]), revision="main")


@pytest.mark.parametrize("name", ["a/b/c", "owner/model=3", "owner/mod\nel", "owner/../model", "owner/", "/owner", ""])
def test_names_that_cannot_be_are_refused_at_once(name):
    with pytest.raises(RequestError):
        TransformerEncoder(name)


def damaged_config(old, new):
    return lambda folder: (folder / "config.json").write_text((folder / "config.json").read_text().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: os.truncate(f / "model.safetensors", 1000), "cannot be loaded .* get it anew"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 100), "cannot be loaded .* get it anew"),
        (lambda f: (f / "model.safetensors").unlink(), "lacks weights"),
        (lambda f: (f / "tokenizer.json").unlink(), "lacks weights or tokenizer"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickle that could run any code"),
        (lambda f: (f / "config.json").write_text("{"), "is no JSON"),
        (damaged_config('"hidden_size": 32', '"hidden_size": 48'), "cannot be loaded"),
        (damaged_config('"bert"', '"no-such-architecture"'), "cannot be loaded"),
    ],
    ids=["cut", "garbage", "missing", "tokenizer", "pickle", "config", "shape", "type"],
)
def test_broken_checkpoints_are_said_in_one_sentence(damage, said, tmp_path):
    folder = build("bert", tmp_path / "broken")
    damage(folder)
    with pytest.raises(EvaluationError, match=said) as caught:
        native(TransformerEncoder(str(folder), device="cpu"), ["mango"])
    assert "\n" not in str(caught.value)


@pytest.mark.fault("security", "a checkpoint with Python code", "auto_map without trust_remote_code")
def test_code_of_the_checkpoint_does_not_run_unasked(tmp_path):
    folder = build("bge", tmp_path / "own_code")
    modules = folder / "modules.json"
    modules.write_text(modules.read_text().replace("sentence_transformers.models.Normalize", "own_code.Normalize"))
    with pytest.raises(RequestError, match=r"model\.trust_remote_code=true"):
        TransformerEncoder(str(folder)).identify("native")


def test_devices_that_are_not_here_are_refused(hub_checkpoints):
    import torch

    absent = f"cuda:{torch.cuda.device_count()}"
    for device, said in ((absent, "is not here"), ("toaster", "is not known")):
        made = TransformerEncoder(str(hub_checkpoints["bge"]), device=device)
        with pytest.raises(RequestError, match=said):
            made.encode(["mango"], ["native"], silent)
    with pytest.raises(RequestError, match="dtype=int8 is not known"):
        TransformerEncoder(str(hub_checkpoints["bge"]), dtype="int8")


def test_loading_and_encoding_say_nothing(hub_client, capfd):
    encoder("bert").encode(TEXTS, ["native"], silent)
    assert capfd.readouterr() == ("", "")


def test_no_texts_give_no_vectors_of_the_right_length(hub_client):
    made = encoder("bge").encode([], ["native", "mean"], silent)
    assert made["native"].vectors.shape == (0, 32)
    assert made["mean"].vectors.shape == (0, 32)
