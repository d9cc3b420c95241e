"""The mixer's clock does not depend on Python: the reason why PcmPort exists."""

from .bench import run_program

PORTS, SECONDS = "200", "5"
FEW = 5  # of 250 frames: what other work on the machine may delay


def test_busy_python_makes_no_frame_late() -> None:
    """200 ports whose sound all passes through Python, which computes meanwhile in slices of 20 ms."""
    result = run_program("busy", "native", PORTS, SECONDS).json
    assert result["frames"] >= 0.99 * result["expected"] - 1, result
    assert result["late15"] <= FEW, result
    assert result["longest_ms"] < 200, result
    assert result["lost_frames"] == 0, result


def test_the_measurement_can_fail() -> None:
    """The same with ports that call Python for every frame: the whole mixer stutters or starves."""
    result = run_program("busy", "director", PORTS, SECONDS).json
    assert result["late15"] > 2 * FEW or result["frames"] < 0.9 * result["expected"], result
