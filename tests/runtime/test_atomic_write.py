import pytest

from evalkit.runtime.atomic_write import atomic_write, remove_pending, temporary_folder


@pytest.mark.parametrize("durable", [False, True])
def test_the_whole_file_takes_the_place_of_the_old(tmp_path, durable):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_write(path, durable=durable) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def _interrupted(file):
    file.write_text("half")
    raise KeyboardInterrupt


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    for writing in (atomic_write(path), temporary_folder(tmp_path)):
        with pytest.raises(KeyboardInterrupt), writing as temporary:
            _interrupted(temporary / "half" if temporary.is_dir() else temporary)
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_was_renamed_stays(tmp_path):
    with temporary_folder(tmp_path) as folder:
        folder.rename(tmp_path / "kept")
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    others = {"map.png", ".hidden", f".{'b' * 32}.other"}
    for file in (*others, f".{'0' * 32}.map.png"):
        (tmp_path / file).touch()
    remove_pending(tmp_path, "map")
    assert {entry.name for entry in tmp_path.iterdir()} == others
    (tmp_path / f".{'c' * 32}").mkdir()
    remove_pending(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"map.png", ".hidden"}
