"""Generated checkpoints with the true ones' architecture, tokenizer and layout; small, or of the true size."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import Any, Literal

WORDS = tuple(
    """
the a an and of to in is for on with play book add rate find me my some song music playlist restaurant weather movie
bank mortgage money investment loan credit application apple banana orange grape mango pineapple lion tiger elephant
giraffe zebra kangaroo soccer basketball tennis baseball football cricket usa canada mexico brazil argentina uk bitcoin
melon gazelle swimming uganda what how where when will it rain snow tomorrow today tonight please table people near
stars points out six five four three two one best worst screening theatre cinema show schedule album artist track
""".split()  # noqa: SIM905  # a list of 100 literals would fill a page
)


@dataclass(frozen=True)
class Model:
    """How one of the named models is made."""

    repo: str
    commit: str
    architecture: Literal["bert", "distilbert", "mpnet"]
    small: dict[str, Any]
    true: dict[str, Any] = field(default_factory=dict)
    masked: bool = False
    library: dict[str, Any] | None = None  # settings of sentence-transformers, None where there is no modules.json


_SMALL_BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_SMALL_DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
_TRUE_MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}

MODELS = {
    "bert": Model(
        "google-bert/bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594", "bert", _SMALL_BERT,
        masked=True,
    ),
    "distilbert": Model(
        "distilbert/distilbert-base-uncased", "12040accade4e8a0f71eabdb258fecc2e7e948be", "distilbert",
        _SMALL_DISTILBERT, masked=True,
    ),
    "mpnet": Model(
        "sentence-transformers/all-mpnet-base-v2", "9a3225965996d404b775526de6dbfe85d3368642", "mpnet",
        {**_SMALL_BERT, "max_position_embeddings": 514},
        {"vocab_size": 30527, "max_position_embeddings": 514},
        library={"max_seq_length": 384, "do_lower_case": False, "pooling": "mean"},
    ),
    "bge": Model(
        "BAAI/bge-base-en-v1.5", "a5beb1e3e68b9ab74eb54cfd186867f64f240e1a", "bert", _SMALL_BERT,
        library={"max_seq_length": 512, "do_lower_case": True, "pooling": "cls"},
    ),
    "minilm": Model(
        "sentence-transformers/all-MiniLM-L6-v2", "8b3219a92973c328a8e22fadcfa821b5dc75636a", "bert",
        {**_SMALL_BERT, "hidden_size": 24, "num_hidden_layers": 1}, _TRUE_MINILM,
        library={"max_seq_length": 256, "do_lower_case": False, "pooling": "mean"},
    ),
}  # fmt: skip
"""Short name → the model at its pinned commit."""


def build(name, folder, *, size="small", seed=0, words=WORDS, prompts=None, max_shard_size=None):
    """Write the checkpoint `name` (of `MODELS`): `size` small or true, tokenizer of whole `words`, named `prompts`."""
    import torch
    from transformers.utils import logging

    model = MODELS[name]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(model.architecture, words)
    shape = dict(model.small if size == "small" else model.true)
    if size == "small":
        shape["vocab_size"] = len(tokenizer)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _network(model, shape)
        options = {} if max_shard_size is None else {"max_shard_size": max_shard_size}
        network.save_pretrained(folder, **options)
        tokenizer.save_pretrained(folder)
    finally:
        if bars:
            logging.enable_progress_bar()
    hidden = network.config.hidden_size
    if model.library is not None:
        _write_library(folder, model.library, hidden, prompts or {})
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n", encoding="utf-8")
    (folder / "README.md").write_text(f"Generated weights in the shape of {model.repo}.\n", encoding="utf-8")
    return folder


def make_tokenizer(architecture, words):
    """A lower-casing WordPiece tokenizer of the architecture's kind; not trained, which would not be repeatable."""
    from transformers import BertTokenizer, DistilBertTokenizer, MPNetTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if architecture == "mpnet":
        special = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>"]
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    endings = ["##s", "##ing", "##ed", "##er", "##est", "##ly", "##tion"]
    pieces = [f"##{character}" for character in characters if character.isalnum()]
    tokens = dict.fromkeys([*special, *characters, *pieces, *endings, *sorted({word.lower() for word in words})])
    kind = {"bert": BertTokenizer, "distilbert": DistilBertTokenizer, "mpnet": MPNetTokenizer}[architecture]
    return kind(vocab={token: number for number, token in enumerate(tokens)}, do_lower_case=True, model_max_length=512)


def lay_in_cache(folder, cache, repo, commit):
    """Put a checkpoint into a Hugging Face cache (``HF_HUB_CACHE``) as a finished download; returns the snapshot."""
    storage = cache / ("models--" + repo.replace("/", "--"))
    snapshot = storage / "snapshots" / commit
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        target = snapshot / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:
            shutil.copy2(file, target)
    (storage / "refs").mkdir(parents=True, exist_ok=True)
    (storage / "refs" / "main").write_text(commit, encoding="utf-8")
    return snapshot


def _network(model, shape):
    import transformers

    if model.architecture == "distilbert":
        config = transformers.DistilBertConfig(**shape)
        return transformers.DistilBertForMaskedLM(config)
    if model.architecture == "mpnet":
        return transformers.MPNetModel(transformers.MPNetConfig(**shape))
    config = transformers.BertConfig(**shape)
    return transformers.BertForMaskedLM(config) if model.masked else transformers.BertModel(config)


def _write_library(folder, settings, hidden, prompts):
    """The files of sentence-transformers, in the older form that the true checkpoints have."""
    kinds = (("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize"))
    modules = [
        {"idx": int(name), "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for name, path, kind in kinds
    ]
    library = {"__version__": {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"}}
    if prompts:
        library["prompts"] = prompts
    pooling = {
        "word_embedding_dimension": hidden,
        "pooling_mode_cls_token": settings["pooling"] == "cls",
        "pooling_mode_mean_tokens": settings["pooling"] == "mean",
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
    }
    transformer = {key: settings[key] for key in ("max_seq_length", "do_lower_case")}
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for path, content in (
        ("modules.json", modules),
        ("config_sentence_transformers.json", library),
        ("sentence_bert_config.json", transformer),
        ("1_Pooling/config.json", pooling),
    ):
        (folder / path).write_text(json.dumps(content, indent=2), encoding="utf-8")
