import numpy as np
import pandas as pd
import pytest
import specimens
from PIL import Image

from evalkit.plots import confusion

INTENTS = ["replacement_card_duration", "credit_limit_change", "what_are_your_hobbies", "measurement_conversion", "no"]


def test_the_most_confused_topics_are_kept_in_order():
    shares = np.eye(5)
    shares[3, 3], shares[3, 1] = 0.4, 0.6
    shares[4, 4], shares[4, 0] = 0.9, 0.1
    np.testing.assert_array_equal(confusion.most_confused(shares, 2), [1, 3])
    np.testing.assert_array_equal(confusion.most_confused(shares, 4), [0, 1, 3, 4])


@pytest.mark.parametrize("k", [2, 5, 14, 30, 150])
def test_confusions_of_any_number_of_topics_are_drawn_with_whole_names(tmp_path, k):
    rng = np.random.default_rng(k)
    names = [INTENTS[i] if i < 5 else f"topic <b>{i}</b> $_" for i in range(k)][::-1]
    shares = pd.DataFrame(0.6 * np.eye(k) + 0.4 * rng.dirichlet(np.ones(k), k), names, names)
    record = specimens.record(specimens.words())
    written = []
    for name in ("a", "b"):
        confusion.draw(record, shares, tmp_path / name)
        written.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("png", "svg")])
    assert written[0] == written[1]
    assert len(written[0][1]) < 1_000_000
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    rim = np.ones(pixels.shape[:2], dtype=bool)
    rim[15:-15, 15:-15] = False
    assert (pixels[rim] == 255).all(), "a name or the caption reaches the rim, so it is cut off"
