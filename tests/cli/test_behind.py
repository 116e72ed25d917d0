import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from evalkit.cli import behind as module
from evalkit.cli.behind import Behind
from evalkit.tracking import LoggedRun, TrackerTrouble

FIRST, SECOND = (LoggedRun(name, f"link/{name}", new=True) for name in ("first", "second"))


def test_the_first_is_logged_at_once_the_others_behind_and_in_order():
    told, threads, go = [], [], threading.Event()

    def work(number):
        threads.append(threading.current_thread())
        if number:
            assert go.wait(20)
        return number

    behind = Behind()
    behind.do(lambda: work(0), lambda logged: told.append(logged()))
    assert told == [0]
    for number in (1, 2, 3):
        behind.do(lambda number=number: work(number), lambda logged: told.append(logged()))
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
        behind.do(work, tell(name))
    behind.settle()
    assert told == [("a", FIRST), ("b", "no such run"), ("c", trouble), ("d", SECOND)]


def test_no_more_wait_than_may():
    told, go = [], threading.Event()
    behind = Behind()
    behind.do(lambda: None, lambda logged: told.append(logged()))
    for number in (1, 2):
        behind.do(lambda number=number: (go.wait(20), number)[1], lambda logged: told.append(logged()), most=2)
    threading.Timer(0.1, go.set).start()
    behind.do(lambda: 3, lambda logged: told.append(logged()), most=2)  # waits for the first of the two
    assert told[:2] == [None, 1]
    behind.settle()
    assert told == [None, 1, 2, 3]


def test_who_is_stopped_logs_no_more():
    done, go = [], threading.Event()
    behind = Behind()
    behind.do(lambda: None, lambda logged: logged())
    for number in (1, 2, 3):
        behind.do(lambda number=number: (go.wait(20), done.append(number))[1], pytest.fail)
    behind.drop()
    go.set()
    behind.settle()
    behind.end()
    assert done in ([1], [])


@pytest.fixture
def apart():
    behind = Behind()
    behind.begin(module.WORTHWHILE)
    if not behind.apart:
        pytest.skip("one core: a second process would only take turns with this one")
    yield behind
    behind.end()


def children():
    import psutil

    return {child.pid for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())}


def test_a_long_sweep_has_a_process_beside_its_own(apart):
    told = []
    apart.do(os.getpid, lambda done: told.append(done()))
    for number in range(6):
        apart.do(partial(pow, 2, number), lambda done: told.append(done()))
    assert apart.ask(partial(pow, 3, 3)) == 27
    assert told[0] != os.getpid()
    assert told[1:] == [1, 2, 4, 8, 16, 32]
    assert children() == {told[0]}
    apart.end()
    assert children() == set()


def test_a_short_sweep_has_none():
    behind = Behind()
    behind.begin(module.WORTHWHILE - 1)
    assert not behind.apart
    assert behind.ask(os.getpid) == os.getpid()


def test_what_goes_wrong_in_the_process_comes_back_as_what_it_is(apart, tmp_path):
    from evalkit.errors import EvaluationError

    told = []

    def tell(done):
        try:
            done()
        except (OSError, EvaluationError) as error:
            told.append(error)

    apart.do(partial(os.listdir, tmp_path / "nowhere"), tell)
    apart.do(partial(raised, EvaluationError("no space: free some")), tell)
    apart.settle()
    assert isinstance(told[0], FileNotFoundError)
    assert isinstance(told[1], EvaluationError)
    assert str(told[1]) == "no space: free some"


def raised(error):
    raise error


def test_one_can_wait_for_a_task_by_its_name(apart):
    told = []
    apart.do(partial(time.sleep, 0.3), lambda done: told.append(("first", done())), name="first")
    apart.do(partial(time.sleep, 0.1), lambda done: told.append(("second", done())), name="second")
    apart.wait_for("unheard of")
    assert told == []
    apart.wait_for("first")
    assert told == [("first", None)]
    apart.settle()


def test_what_a_killed_process_had_left_is_done_here(apart):
    told = []
    [beside] = {apart.ask(os.getpid)}
    apart.do(partial(time.sleep, 60), lambda done: told.append("woken"), name="long")
    apart._under_way[0] = dataclasses.replace(apart._under_way[0], task=os.getpid)  # not another minute
    apart.do(os.getpid, lambda done: told.append(done()))
    os.kill(beside, signal.SIGKILL)
    apart.settle()
    assert told == ["woken", os.getpid()]
    assert not apart.apart
    apart.do(partial(pow, 2, 5), lambda done: told.append(done()))
    apart.settle()
    assert told[-1] == 32


def test_the_process_heeds_neither_ctrl_c_nor_sigterm_and_ends_with_its_sweep(tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(
        "import os, time\n"
        "from evalkit.behind import behind\n"
        "if __name__ == '__main__':\n"
        "    behind.begin(100)\n"
        "    print(behind.ask(os.getpid), flush=True)\n"
        "    time.sleep(60)\n"
    )
    sweep = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    beside = int(sweep.stdout.readline())
    for stop in (signal.SIGINT, signal.SIGTERM):
        os.kill(beside, stop)
    time.sleep(0.2)
    assert alive(beside)
    sweep.kill()
    sweep.communicate()
    ends = time.monotonic() + 20
    while alive(beside):
        assert time.monotonic() < ends
        time.sleep(0.05)


def alive(pid):
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
