import pytest

from evalkit.runtime.compiled import compiled, compiled_exactly


@pytest.mark.parametrize("compile_it", [compiled, compiled_exactly])
def test_compiling_works_where_nothing_can_be_kept_on_disk(compile_it):
    space: dict = {}
    exec("def twice(x):\n    return 2 * x", space)  # numba has no place to keep the code of a file that is not there
    assert compile_it(space["twice"])(21) == 42
