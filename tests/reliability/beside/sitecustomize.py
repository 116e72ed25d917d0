"""Watch the process that a sweep starts beside its own, as watched.py does the sweep's; python imports this."""

import json
import os
import sys

if "EVALKIT_WATCHED" in os.environ and "--multiprocessing-fork" in sys.orig_argv:
    import importlib.util
    import threading
    from pathlib import Path

    place = Path(__file__).resolve().parents[1] / "watched.py"
    found = importlib.util.spec_from_file_location("watched", place)
    watched = importlib.util.module_from_spec(found)
    found.loader.exec_module(watched)
    asked = json.loads(os.environ["EVALKIT_WATCHED"])
    asked["file"] = str(Path(asked["file"]).with_suffix(".beside"))
    threading.Thread(target=watched.watch, args=(asked, threading.main_thread().ident), daemon=True).start()
