import threading

import pytest

from evalkit.trackers import LoggedRun, TrackerTrouble
from evalkit.trackers import behind as module
from evalkit.trackers.behind import Behind

FIRST, SECOND = (LoggedRun(name, f"link/{name}", new=True) for name in ("first", "second"))


def test_the_first_is_logged_at_once_the_others_behind_and_in_order():
    told, threads, go = [], [], threading.Event()

    def work(number):
        threads.append(threading.current_thread())
        if number:
            assert go.wait(20)
        return number

    behind = Behind()
    behind.log(lambda: work(0), lambda logged: told.append(logged()))
    assert told == [0]
    for number in (1, 2, 3):
        behind.log(lambda number=number: work(number), lambda logged: told.append(logged()))
    assert told == [0]
    go.set()
    behind.settle()
    assert told == [0, 1, 2, 3]
    assert threads[0] is threading.main_thread()
    assert len(set(threads[1:])) == 1
    assert threads[1] is not threading.main_thread()


def test_what_is_done_is_told_with_the_next_and_what_goes_wrong_to_whom_it_belongs():
    told = []

    def tell(name):
        def store(logged):
            try:
                told.append((name, logged()))
            except ValueError as error:
                told.append((name, str(error)))

        return store

    def wrong():
        raise ValueError("no such run")

    behind = Behind()
    trouble = TrackerTrouble("away")
    for name, work in {"a": lambda: FIRST, "b": wrong, "c": lambda: trouble, "d": lambda: SECOND}.items():
        behind.log(work, tell(name))
    behind.settle()
    assert told == [("a", FIRST), ("b", "no such run"), ("c", trouble), ("d", SECOND)]


def test_no_more_wait_than_may(monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    told, go = [], threading.Event()
    behind = Behind()
    behind.log(lambda: None, lambda logged: told.append(logged()))
    for number in (1, 2):
        behind.log(lambda number=number: (go.wait(20), number)[1], lambda logged: told.append(logged()))
    threading.Timer(0.1, go.set).start()
    behind.log(lambda: 3, lambda logged: told.append(logged()))  # waits for the first of the two
    assert told[:2] == [None, 1]
    behind.settle()
    assert told == [None, 1, 2, 3]


def test_who_is_stopped_logs_no_more():
    done, go = [], threading.Event()
    behind = Behind()
    behind.log(lambda: None, lambda logged: logged())
    for number in (1, 2, 3):
        behind.log(lambda number=number: (go.wait(20), done.append(number))[1], pytest.fail)
    behind.drop()
    go.set()
    behind.settle()
    behind._thread.shutdown()
    assert done in ([1], [])
