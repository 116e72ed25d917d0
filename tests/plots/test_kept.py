import pytest

from evalkit.plots import kept


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(kept, "_files", type(kept._files)())


def test_a_picture_is_drawn_once_for_all_runs_that_show_the_same(tmp_path):
    calls = []

    def picture(run, key):
        png, svg = tmp_path / f"{run}.png", tmp_path / f"{run}.svg"

        def draw():
            calls.append(run)
            png.write_bytes(key.encode() + b" png")
            svg.write_bytes(key.encode() + b" svg")

        kept.drawn_once(key, {"out_png": png, "out_svg": svg}, draw)
        return png.read_bytes(), svg.read_bytes()

    assert picture("1", "a") == picture("2", "a") == (b"a png", b"a svg")
    assert picture("3", "b") == (b"b png", b"b svg")
    assert calls == ["1", "3"]


def test_only_a_few_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "KEPT", 2)
    png, svg = tmp_path / "p.png", tmp_path / "p.svg"

    def draw():
        png.write_bytes(b"p")
        svg.write_bytes(b"s")

    for key in "abca":
        kept.drawn_once(key, {"out_png": png, "out_svg": svg}, draw)
    assert list(kept._files) == ["c", "a"]


def test_a_sweep_over_seeds_draws_the_neighbours_of_an_embedding_once(evalkit, monkeypatch):
    from evalkit.plots import confusion, neighbours

    drawn = []
    for module in (confusion, neighbours):
        before = module.draw
        monkeypatch.setattr(
            module, "draw", lambda *a, before=before, name=module.__name__, **k: (drawn.append(name), before(*a, **k))
        )
    done = evalkit("-m", "model=tfidf", "projection=pca", "seed=0,1,2", "evaluators=[neighbours]", "reuse=false")
    assert done.status == 0, done.err
    assert len(done.runs) == 3
    assert sorted(drawn) == ["evalkit.plots.confusion", "evalkit.plots.neighbours"]
    assert len({(run / "neighbours.png").read_bytes() for run in done.runs}) == 1
