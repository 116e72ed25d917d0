import json

import pandas as pd
import pytest

from evalkit.errors import RequestError
from evalkit.retrieval.hub_reader import load_hub
from evalkit.retrieval.known_item import load_documents
from evalkit.retrieval.readers import load_beir, load_helpdesk, load_judged, load_pairs

DOCUMENTS = [("d2", "Pears", "green and soft"), ("d1", "", "apples are red"), ("d3", "Plums", "")]
QUERIES = [("q2", "soft fruit"), ("q1", "red fruit")]
JUDGED = [("q1", "d1", 1), ("q2", "d2", 1), ("q2", "d3", 0)]


def judged_of(corpus):
    """Query id → document id → gain."""
    starts = corpus.judgments.starts
    return {
        query: {
            corpus.document_ids[corpus.judgments.documents[entry]]: corpus.judgments.gains[entry]
            for entry in range(starts[row], starts[row + 1])
        }
        for row, query in enumerate(corpus.query_ids)
    }


def test_a_beir_folder(beir):
    corpus = load_beir(beir(DOCUMENTS, QUERIES, test=JUDGED))
    assert corpus.document_ids == ("d1", "d2", "d3")
    assert corpus.documents == ("apples are red", "Pears green and soft", "Plums")
    assert corpus.query_ids == ("q1", "q2")
    assert corpus.queries == ("red fruit", "soft fruit")
    assert judged_of(corpus) == {"q1": {"d1": 1.0}, "q2": {"d2": 1.0, "d3": 0.0}}
    assert not corpus.warnings
    assert not corpus.known_item


def test_the_order_of_rows_changes_nothing(beir):
    first = load_beir(beir(DOCUMENTS, QUERIES, test=JUDGED), name="a")
    second = load_beir(beir(DOCUMENTS[::-1], QUERIES[::-1], test=JUDGED[::-1]), name="b")
    assert first.fingerprint == second.fingerprint
    assert judged_of(first) == judged_of(second)
    other = load_beir(beir(DOCUMENTS, QUERIES, test=[*JUDGED[:2], ("q2", "d1", 0)]))
    assert other.fingerprint != first.fingerprint


def test_queries_of_other_splits_are_left_aside(beir):
    queries = [*QUERIES, *((f"t{i}", f"training query {i}") for i in range(5))]
    folder = beir(DOCUMENTS, queries, test=JUDGED, train=[(f"t{i}", "d1", 1) for i in range(5)])
    corpus = load_beir(folder)
    assert corpus.query_ids == ("q1", "q2")
    assert corpus.counts["queries_of_other_splits"] == 5
    assert load_beir(folder, split="train").query_ids == tuple(f"t{i}" for i in range(5))
    with pytest.raises(
        RequestError, match=r"no judgments qrels/dev\.tsv, found test, train: choose with dataset\.split"
    ):
        load_beir(folder, split="dev")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_three_tables(tmp_path, kind):
    frames = {
        "documents": pd.DataFrame(DOCUMENTS, columns=["doc_id", "title", "text"]),
        "queries": pd.DataFrame(
            [(*row, "g") for row in QUERIES[:1]] + [(*QUERIES[1], "h")], columns=["id", "query", "by"]
        ),
        "judgments": pd.DataFrame(JUDGED, columns=["query_id", "doc_id", "relevance"]),
    }
    paths = []
    for name, frame in frames.items():
        paths.append(str(tmp_path / f"{name}.{kind}"))
        if kind == "parquet":
            frame.to_parquet(paths[-1])
        elif kind == "jsonl":
            frame.to_json(paths[-1], orient="records", lines=True)
        else:
            frame.to_csv(paths[-1], index=False, sep="\t" if kind == "tsv" else ",")
    corpus = load_judged(*paths, group_column="by")
    assert judged_of(corpus) == {"q1": {"d1": 1.0}, "q2": {"d2": 1.0, "d3": 0.0}}
    assert corpus.groups.tolist() == [1, 0]
    assert corpus.group_names == ("g", "h")


def test_judgments_of_trec_and_without_grades(tmp_path):
    (tmp_path / "d.csv").write_text("id;text\n1;red apples\n2;green pears, soft\n", encoding="utf-8")
    (tmp_path / "q.jsonl").write_text('{"id": 7, "text": "red"}\n{"id": 8, "text": "soft"}\n', encoding="utf-8")
    (tmp_path / "qrels").write_text("7 0 1 1\n7 0 2 0\n8\tQ0\t2\t1\n", encoding="utf-8")
    files = [str(tmp_path / name) for name in ("d.csv", "q.jsonl", "qrels")]
    assert judged_of(load_judged(*files)) == {"7": {"1": 1.0, "2": 0.0}, "8": {"2": 1.0}}
    (tmp_path / "j.tsv").write_text("query\tdocument\n7\t1\n8\t2\n", encoding="utf-8")
    assert judged_of(load_judged(*files[:2], str(tmp_path / "j.tsv"))) == {"7": {"1": 1.0}, "8": {"2": 1.0}}


def test_pairs_join_equal_texts(tmp_path):
    file = tmp_path / "faq.csv"
    rows = ["question,answer,by", "how?,so,x", '"how, then?",so,y', "how?,thus,x", "why?,because,y"]
    file.write_text("\n".join(rows), encoding="utf-8")
    corpus = load_pairs(str(file), group_column="by")
    assert corpus.name == "faq"
    assert corpus.documents == ("because", "so", "thus")
    assert corpus.queries == ("how, then?", "how?", "why?")
    assert judged_of(corpus) == {"1": {"2": 1.0}, "2": {"2": 1.0, "3": 1.0}, "3": {"1": 1.0}}
    assert corpus.groups.tolist() == [1, 0, 1]
    file.write_text("query,document\nhow?,\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"row 1 of .* has no document: fill it in"):
        load_pairs(str(file))


def test_known_item_queries(tmp_path):
    file = tmp_path / "texts.csv"
    rows = [
        "id,title,text",
        "b,Pears,They are green. They are soft. They grow.",
        "a,Apples,Only one sentence",
        "c,,X. Y.",
    ]
    file.write_text("\n".join(rows), encoding="utf-8")
    titles = load_documents(str(file), queries_from="title")
    assert titles.queries == ("Apples", "Pears")
    assert titles.documents[1] == "They are green. They are soft. They grow."
    assert titles.known_item
    assert "compare dense models among themselves only" in titles.warnings[-1]
    first = load_documents(str(file), queries_from="first_sentence")
    assert first.queries == ("Pears They are green.", "X.")
    assert first.documents[1].startswith("Pears They are green.")
    assert first.counts["verbatim_queries"] == 2
    held = load_documents(str(file), queries_from="held_out_sentence", seed=3)
    for query, document in zip(held.queries, held.documents[1:], strict=True):
        assert query not in document
    file.write_text("\n".join([rows[0], *rows[:0:-1]]), encoding="utf-8")
    assert load_documents(str(file), queries_from="held_out_sentence", seed=3).fingerprint == held.fingerprint
    assert load_documents(str(file), queries_from="held_out_sentence", seed=4).fingerprint != held.fingerprint


@pytest.mark.parametrize(
    ("content", "kind", "sentence"),
    [
        ("text\nOne.\n", "first_sentence", "no document of .* has two sentences"),
        ("text\nOne. Two.\n", "title", "has no titles to ask for"),
        ("text\nOne. Two.\n", "summary", "dataset.queries_from=summary is none of title, first_sentence"),
    ],
)
def test_texts_that_make_no_queries_are_refused(tmp_path, content, kind, sentence):
    (tmp_path / "texts.csv").write_text(content, encoding="utf-8")
    with pytest.raises(RequestError, match=sentence):
        load_documents(str(tmp_path / "texts.csv"), queries_from=kind)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("d.csv", b"", "has no rows"),
        ("d.csv", b"id,text\n", "has no rows: check the file"),
        ("d.csv", b"id,text\n1,a,b\n", "line 2 of .* has 3 fields and the header 2"),
        ("d.csv", b'id,text\n1,"a\n', "line 2 of .* cannot be read .*check its quotes"),
        ("d.csv", b"id,id\n1,a\n", "has a column name twice"),
        ("d.csv", b"id,words\n1,a\n", "no column 'text' or .*only 'id', 'words'.*dataset.text_column"),
        ("d.csv", b"id,text\n1,caf\xe9\n", "is not UTF-8 .byte 0xE9"),
        ("d.jsonl", b'{"id": 1, "text": "a"}\n{"id": 2,\n', "line 2 of .* is no JSON"),
        ("d.jsonl", b"[1]\n", "line 1 of .* is no object"),
        ("d.parquet", b"PAR1", "is no parquet file"),
        ("d.xlsx", b"PK", "ends in none of .csv, .tsv, .jsonl and .parquet"),
        ("other", b"", "does not exist"),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "q.csv").write_text("id,text\n1,a\n", encoding="utf-8")
    (tmp_path / "j.csv").write_text("query,document\n1,1\n", encoding="utf-8")
    path = tmp_path / ("d.csv" if name == "other" else name)
    with pytest.raises(RequestError, match=sentence):
        load_judged(str(path), str(tmp_path / "q.csv"), str(tmp_path / "j.csv"))


def test_judgments_of_trec_with_a_short_line_are_refused(tmp_path):
    for name in ("d", "q"):
        (tmp_path / f"{name}.csv").write_text("id,text\n1,a\n", encoding="utf-8")
    (tmp_path / "qrels").write_text("1 0 1 1\n1 0 1\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"line 2 of .* has 3 fields, and TREC's judgments have four"):
        load_judged(*(str(tmp_path / name) for name in ("d.csv", "q.csv", "qrels")))


@pytest.fixture
def hub_folder(tmp_path):
    pytest.importorskip("datasets")
    parts = {
        "corpus": [{"_id": i, "title": title, "text": text} for i, title, text in DOCUMENTS],
        "queries": [{"_id": i, "text": text} for i, text in [*QUERIES, ("q9", "of training")]],
        "test": [dict(zip(("query-id", "corpus-id", "score"), row, strict=True)) for row in JUDGED],
        "train": [{"query-id": "q9", "corpus-id": "d1", "score": 1}],
    }
    for name, rows in parts.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    split = "- config_name: {0}\n  data_files:\n  - split: {1}\n    path: {1}.jsonl\n"
    card = "".join(split.format(name, name) for name in ("corpus", "queries")) + split.format("default", "test")
    card += "  - split: train\n    path: train.jsonl\n"
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{card}---\n", encoding="utf-8")
    return tmp_path


@pytest.mark.filterwarnings("ignore")
def test_the_layout_of_mteb(hub_folder, beir, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    corpus = load_hub(str(hub_folder))
    assert judged_of(corpus) == {"q1": {"d1": 1.0}, "q2": {"d2": 1.0, "d3": 0.0}}
    assert corpus.counts["queries_of_other_splits"] == 1
    assert corpus.fingerprint == load_beir(beir(DOCUMENTS, QUERIES, test=JUDGED)).fingerprint
    with pytest.raises(RequestError, match=r"no judgments of split 'dev', only test, train"):
        load_hub(str(hub_folder), split="dev")
    card = (hub_folder / "README.md").read_text(encoding="utf-8")
    (hub_folder / "README.md").write_text(card.replace("config_name: queries", "config_name: asked"), encoding="utf-8")
    with pytest.raises(RequestError, match=r"and none for queries: mteb's layout has corpus, queries and default"):
        load_hub(str(hub_folder))


def test_helpdesk_is_sound():
    corpus = load_helpdesk()
    assert len(corpus.documents) >= 75
    assert len(corpus.queries) >= 120
    assert set(corpus.judgments.gains) == {1.0, 2.0}
    for row in range(len(corpus.queries)):
        gains = corpus.judgments.gains[corpus.judgments.starts[row] : corpus.judgments.starts[row + 1]]
        assert (gains == 2).sum() == 1
    assert not corpus.warnings
