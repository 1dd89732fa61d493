"""The benchmark's grid is the equation's, however it is cut into pieces for the cache."""

import importlib.util
from pathlib import Path

import numpy as np

from rackline.physics.blackboard import step_time

FILE = Path(__file__).parents[2] / "benchmarks" / "roofline.py"


def test_the_grid_filled_in_pieces_is_the_equation():
    spec = importlib.util.spec_from_file_location("roofline", FILE)
    roofline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(roofline)
    batch, context, grid = np.geomspace(1, 1e5, 40), np.geomspace(1, 1e6, 5000), np.zeros((40, 5000))
    roofline.fill(grid, batch, context)
    np.testing.assert_array_equal(
        grid, step_time(batch[:, None], context, **roofline.DEEPSEEK_V3_ON_A_GB200_RACK))
