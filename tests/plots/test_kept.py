import pytest

from evalkit.plots import kept
from evalkit.plots.kept import drawn_once
from evalkit.store import Store


@pytest.fixture
def picture(tmp_path):
    """Draw for a run what is shown; the two files, and for which runs they were really drawn."""
    calls = []

    def made(run, shown, store="store", name="confusion"):
        folder = tmp_path / run
        folder.mkdir()
        png, svg = folder / f"{name}.png", folder / f"{name}.svg"

        def draw():
            calls.append(run)
            png.write_bytes(shown.encode() + b" png")
            svg.write_bytes(shown.encode() + b" svg")

        drawn_once(Store(tmp_path / store), {"shown": shown}, {"out_png": png, "out_svg": svg}, draw)
        return png.read_bytes(), svg.read_bytes()

    made.calls = calls
    return made


def test_a_picture_is_drawn_once_for_all_runs_that_show_the_same(picture):
    assert picture("1", "a") == picture("2", "a") == (b"a png", b"a svg")
    assert picture("3", "b") == (b"b png", b"b svg")
    assert picture.calls == ["1", "3"]


def test_another_picture_of_the_same_and_another_store_are_others(picture):
    picture("1", "a")
    picture("2", "a", name="neighbours")
    picture("3", "a", store="elsewhere")
    assert picture.calls == ["1", "2", "3"]


def test_what_draws_otherwise_draws_anew(picture, monkeypatch):
    picture("1", "a")
    monkeypatch.setattr(kept, "_drawer", lambda: "of another version")
    picture("2", "a")
    assert picture.calls == ["1", "2"]


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


def test_two_sweeps_of_the_same_know_their_pictures_alike(evalkit):
    for store in ("one", "other"):  # how fast the texts were encoded differs
        done = evalkit("model=tfidf", "projection=pca", "evaluators=[neighbours]", f"store={store}")
        assert done.status == 0, done.err
    kept_in = [{path.name for path in (done.folder / s / "v1" / "pictures").glob("*/*")} for s in ("one", "other")]
    assert kept_in[0] == kept_in[1]
    assert len(kept_in[0]) == 2
