import json
import os
import subprocess
import sys

import pytest

from evalkit.tracking.process_liveness import known_dead, process_tags


def test_a_living_process_is_not_dead_and_one_that_ended_is(ended):
    assert known_dead(ended)
    tags = process_tags()
    assert not known_dead(tags)
    # Another process under the same number is not it.
    assert known_dead({**tags, "evalkit.process_started": str(float(tags["evalkit.process_started"]) - 3600)})


def test_a_process_killed_and_not_yet_waited_for_is_dead():
    code = (
        "import json, sys, time; from evalkit.tracking.process_liveness import process_tags; "
        "print(json.dumps(process_tags()), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        tags = json.loads(process.stdout.readline())
        assert not known_dead(tags)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        assert known_dead(tags)


def test_another_hosts_or_containers_process_is_left_alone(ended):
    assert not known_dead({**ended, "evalkit.host": "elsewhere"})
    assert not known_dead({**ended, "evalkit.machine": "elsewhere"})
    boot = ended["evalkit.boot"].partition(":")[0]
    assert not known_dead({**ended, "evalkit.boot": f"{boot}:pid:[1]"})


def test_after_a_reboot_only_a_machine_that_is_known_tells(ended, monkeypatch):
    from evalkit.tracking import process_liveness as liveness

    rebooted = {**ended, "evalkit.boot": "an-earlier-boot:x"}
    monkeypatch.setattr(liveness, "_place", lambda: {**ended, "evalkit.machine": "m"})
    assert known_dead({**rebooted, "evalkit.machine": "m"})
    monkeypatch.setattr(liveness, "_place", lambda: {**ended, "evalkit.machine": ""})
    assert not known_dead({**rebooted, "evalkit.machine": ""})


@pytest.mark.parametrize("edited", ["evalkit.pid", "evalkit.process_started"])
def test_from_missing_or_edited_tags_nothing_is_known(ended, edited):
    assert not known_dead({**ended, edited: "somebody's"})
    for missing in (edited, "evalkit.boot"):
        assert not known_dead({key: value for key, value in ended.items() if key != missing})
