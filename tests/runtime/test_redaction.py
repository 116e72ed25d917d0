"""Masking of passwords and tokens, by example and by property."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.runtime.redaction import MASK, mask, mask_tree, names_secret

TOKEN_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://anna:s3cret@db.example/mlflow", "postgresql://anna:***@db.example/mlflow"),
        ("postgresql+psycopg2://anna:p@ss/w@rd@db:5432/m", "postgresql+psycopg2://anna:***@db:5432/m"),
        ("http://:s3cret@server/", "http://:***@server/"),
        ("tracker.uri='https://u:p@h:5000/x'", "tracker.uri='https://u:***@h:5000/x'"),
        ("https://abcdef@server/repo", "https://***@server/repo"),
        ("see http://a:b@c and http://d:e@f!", "see http://a:***@c and http://d:***@f!"),
        ("model hf_aB3dEfGhIjKlMnOpQrStUvWxYz is gated", "model *** is gated"),
        ("GET https://h/x?token=abc123&page=2", "GET https://h/x?token=***&page=2"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dsa%3BPWD%3Dgeheim%3BX%3D1", None),
        ("mssql://h/db;UID=sa;PWD=geheim;Encrypt=yes", "mssql://h/db;UID=sa;PWD=***;Encrypt=yes"),
        ("Authorization: Bearer abc.def.123", "Authorization: Bearer ***"),
        ("header 'Bearer eyJhbGciOi.x1'", "header 'Bearer ***'"),
        ('{"password": "ge heim", "user": "anna"}', '{"password": "***", "user": "anna"}'),
        ("  password: geheim\n  user: anna", "  password: ***\n  user: anna"),
        ("HF_TOKEN=abcdef evalkit", "HF_TOKEN=*** evalkit"),
        ("AWS_SECRET_ACCESS_KEY=abc/def+gh1 ls", "AWS_SECRET_ACCESS_KEY=*** ls"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key *** used"),
        ("https://s3/x?X-Amz-Signature=00ff&X-Amz-Date=1", "https://s3/x?X-Amz-Signature=***&X-Amz-Date=1"),
        ("+tracker.password=geheim", "+tracker.password=***"),
        ("DefaultEndpointsProtocol=https;AccountKey=ab+c/d==;X=1", "DefaultEndpointsProtocol=https;AccountKey=***;X=1"),
        ("ghp_0123456789abcdefABCDEF0123456789abcd", "***"),
    ],
)
def test_secrets_go_and_the_rest_stays(text, masked):
    assert "geheim" not in mask(text)
    assert masked is None or mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sqlite:////home/anna/mlflow.db",
        "http://127.0.0.1:5000/#/experiments/1",
        "http://server:8080/medium/@anna",
        "abfss://container@account.dfs.core.windows.net/a",
        "ssh://git@github.com/org/repo",
        "pooling=last_token",
        "batch_tokens=2000",
        "max_tokens: 5",
        "model.name=sentence-transformers/all-MiniLM-L6-v2",
        "password=null token: None",
        "cls_token=[CLS] pad_token: x",
        "neighbours/precision_at_5 = 0.87",
        "the bearer of good news; basic income",
        "hf_hub_download and hf_datasets",
        "secret=${oc.env:MY_SECRET}",
        "tokenizer=bert author=anna passage=1",
        "mail anna@example.org: hello",
    ],
)
def test_ordinary_settings_are_left_alone(text):
    assert mask(text) == text


@given(
    user=st.text(TOKEN_CHARACTERS, min_size=0, max_size=8),
    password=st.text(TOKEN_CHARACTERS + "!$%&()*+-./:;=@_~#?", min_size=6, max_size=20),
    scheme=st.sampled_from(["postgresql", "mysql+pymysql", "s3"]),
)
def test_no_password_survives_in_a_uri(user, password, scheme):
    password = f"S3cr{password}t"
    masked = mask(f"logging to {scheme}://{user}:{password}@host.example:5432/mlflow failed")
    assert password not in masked
    assert masked == f"logging to {scheme}://{user}:***@host.example:5432/mlflow failed"


@given(st.text(TOKEN_CHARACTERS, min_size=30, max_size=40), st.text(max_size=30), st.text(" \n,;:'\"/", min_size=1))
def test_no_hub_token_survives_in_any_text(token, before, after):
    assert f"hf_{token}" not in mask(f"{before} hf_{token}{after}")


PARTS = ["token=", "a", "://", "u:", "p", "@", " ", "'", '"', ": ", "Bearer ", "%3D", "&", MASK, "pwd"]


@given(st.text(max_size=200) | st.lists(st.sampled_from(PARTS)).map("".join))
def test_masking_twice_is_masking_once(text):
    assert mask(mask(text)) == mask(text)


def test_keys_that_name_a_secret_and_those_that_name_none():
    secret = ["password", "token", "HF_TOKEN", "aws_secret_access_key", "api_key", "tracker.password", "accessToken"]
    others = ["batch_tokens", "last_token", "tokenizer", "pad_token", "passage", "key", "k", "signal"]
    assert [key for key in ("pwd", *secret, *others) if names_secret(key)] == ["pwd", *secret]


def test_tree_keeps_its_shape_and_masks_by_key_and_by_value():
    tree = {
        "tracker": {"uri": "http://u:p@h", "password": "geheim", "token": None, "tries": 3},
        "overrides": ["model=bge", "tracker.uri=http://u:p@h"],
        "pair": ("hf_abcdefghijklmnop0123", 1.5),
        7: {"api_key": ""},
        "folder": Path("outputs/a"),
    }
    assert mask_tree(tree) == {
        "tracker": {"uri": "http://u:***@h", "password": MASK, "token": None, "tries": 3},
        "overrides": ["model=bge", "tracker.uri=http://u:***@h"],
        "pair": (MASK, 1.5),
        7: {"api_key": ""},
        "folder": Path("outputs/a"),
    }
    assert tree["tracker"]["password"] == "geheim"


json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=10,
)


@given(json_trees)
def test_masking_a_tree_twice_is_masking_it_once(tree):
    assert mask_tree(mask_tree(tree)) == mask_tree(tree)


@pytest.mark.parametrize("part", ["a", "://", "token", "u:", "x://a:", "a-", "{"])
def test_long_text_is_masked_in_linear_time(part):
    mask(part * (100_000 // len(part)))
