import numpy as np
import pytest
from PIL import Image

from evalkit.plots import png


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (200, 331)])
@pytest.mark.parametrize(("channels", "mode"), [(3, "RGB"), (4, "RGBA")])
def test_others_read_what_is_written(tmp_path, shape, channels, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, channels), dtype=np.uint8)
    png.write(pixels, tmp_path / "picture.png", 160)
    with Image.open(tmp_path / "picture.png") as found:
        found.load()
        assert found.mode == mode
        assert found.info["dpi"] == pytest.approx((160, 160), rel=1e-3)
        np.testing.assert_array_equal(np.asarray(found), pixels)


def test_rows_need_not_lie_one_after_the_other(tmp_path):
    canvas = np.random.default_rng(1).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    png.write(canvas[..., :3], tmp_path / "picture.png", 100)
    with Image.open(tmp_path / "picture.png") as found:
        np.testing.assert_array_equal(np.asarray(found), canvas[..., :3])
