import numpy as np  # noqa: F401 (brings its linear algebra)
from threadpoolctl import threadpool_info

from evalkit.runtime.threads import FEW_VALUES, suitable_threads


def counts():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_little_work_runs_on_one_thread_and_the_rest_as_before():
    before = counts()
    with suitable_threads(FEW_VALUES):
        assert set(counts()) == {1}
    assert counts() == before
    with suitable_threads(FEW_VALUES + 1):
        assert counts() == before


def test_a_library_loaded_later_is_limited_too():
    with suitable_threads(1):
        pass
    import scipy.linalg  # noqa: F401

    with suitable_threads(1):
        assert set(counts()) == {1}
