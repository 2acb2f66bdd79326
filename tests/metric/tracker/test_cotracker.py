"""CoTracker with a stand-in that has its repository's layout and its predictor's call signature."""

from pathlib import Path

import numpy as np
import pytest
import torch

from motion_inversion.error import InputError
from motion_inversion.metric.motion_fidelity import MotionFidelity
from motion_inversion.metric.sample import Sample
from motion_inversion.metric.tracker.cotracker import CoTracker
from motion_inversion.metric.tracker.tracker import Tracker

HUB = """
import torch

def {entrypoint}(*, pretrained=True, **kwargs):
    from cotracker.predictor import Predictor

    predictor = Predictor()
    if pretrained:
        predictor.model.load_state_dict({{"weight": torch.tensor([[2.0, 0.0]]).T}})
    return predictor
"""
# The grid goes by the velocity that the model holds; the first of the points is hidden in the end.
PREDICTOR = """
import torch

class Predictor(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = torch.nn.Linear(1, 2, bias=False)

    def forward(self, video, queries=None, segm_mask=None, grid_size=0):
        assert video.dtype == torch.float32 and video.shape[2] == 3
        frames, (height, width) = video.shape[1], video.shape[3:]
        sides = [torch.linspace(1, side - 2, grid_size) for side in (height, width)]
        rows, columns = torch.meshgrid(*sides, indexing="ij")
        start = torch.stack([columns, rows], -1).reshape(1, 1, -1, 2) + video.max() / 255
        tracks = start + torch.arange(frames).view(1, -1, 1, 1) * self.model.weight[:, 0]
        visible = torch.ones(tracks.shape[:3], dtype=torch.bool)
        visible[:, -1, 0] = False
        return tracks, visible
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder like a copy of the repository, with both entry points."""
    folder = tmp_path / "co-tracker"
    (folder / "cotracker").mkdir(parents=True)
    entrypoints = [HUB.format(entrypoint=name) for name in ("cotracker3_offline", "cotracker_w8")]
    (folder / "hubconf.py").write_text("\n".join(entrypoints))
    (folder / "cotracker/__init__.py").write_text("")
    (folder / "cotracker/predictor.py").write_text(PREDICTOR)
    return folder


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """Weights that make every point go up by 3 pixels a frame."""
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.tensor([[0.0], [-3.0]])}, path)
    return str(path)


def white(frames: int) -> np.ndarray:
    return np.full((frames, 12, 16, 3), 255, dtype=np.uint8)


@pytest.mark.parametrize("entrypoint", ["cotracker3_offline", "cotracker_w8"])
def test_the_grids_tracks_come_back_in_pixels(repository: Path, entrypoint: str) -> None:
    tracks = CoTracker(entrypoint, str(repository), grid=3).load("cpu")(white(4))
    assert tracks.points.shape == (9, 4, 2)
    # From column 1, row 1, one further as white is 255 and not 1, by (2, 0) a frame.
    torch.testing.assert_close(tracks.points[0], torch.tensor([[2.0, 2.0], [4.0, 2.0], [6.0, 2.0], [8.0, 2.0]]))
    torch.testing.assert_close(tracks.points[8, 0], torch.tensor([15.0, 11.0]))
    assert tracks.visible is not None
    assert tracks.visible[0].tolist() == [True, True, True, False]
    assert tracks.visible[1:].all()


@pytest.mark.parametrize("nested", [False, True])
def test_a_checkpoint_takes_the_place_of_the_published_weights(repository: Path, checkpoint: str, nested: bool) -> None:
    if nested:
        torch.save({"model": torch.load(checkpoint)}, checkpoint)
    tracks = CoTracker("cotracker_w8", str(repository), checkpoint, grid=2).load("cpu")(white(3))
    torch.testing.assert_close(tracks.points[3].diff(dim=0), torch.tensor([[0.0, -3.0]] * 2))


def test_another_release_is_not_taken_for_the_one_loaded_before(repository: Path) -> None:
    other = repository.with_name("other")
    repository.rename(other)
    predictor = other / "cotracker/predictor.py"
    first = CoTracker(repo=str(other), grid=2).load("cpu")
    renewed = other.rename(other.with_name("renewed"))
    (renewed / predictor.relative_to(other)).write_text(PREDICTOR.replace("torch.arange", "-torch.arange"))
    second = CoTracker(repo=str(renewed), grid=2).load("cpu")
    steps = [track(white(2)).points.diff(dim=1)[0, 0, 0].item() for track in (first, second)]
    assert steps == [2, -2]


def test_a_metric_takes_it_like_any_tracker(repository: Path) -> None:
    metric = MotionFidelity(tracker=CoTracker(repo=str(repository), grid=4))
    metric.load("cpu")
    metric.update(Sample(white(8), white(8), "", ""))
    assert float(metric.compute()) == pytest.approx(1)


def test_one_frame_is_refused(repository: Path) -> None:
    with pytest.raises(InputError, match=r"1 frame: .*model\.frames=8"):
        CoTracker(repo=str(repository)).load("cpu")(white(1))


def test_what_is_absent_is_named_with_its_override(repository: Path, checkpoint: str, tmp_path: Path) -> None:
    overrides = r"needs the packages einops and timm, metric\.motion_fidelity\.tracker\.repo=.*checkpoint=.*tracker=dis"
    empty = tmp_path / "empty"
    empty.mkdir()
    gone = str(tmp_path / "gone.pth")
    (repository / "broken.pth").write_bytes(b"no weights")
    broken = str(repository / "broken.pth")
    cases = [
        (CoTracker(repo=str(empty)), "hubconf.py"),
        (CoTracker("cotracker9", str(repository)), "cotracker9"),
        (CoTracker(repo=str(repository), checkpoint=gone), "gone.pth"),
        (CoTracker(repo=str(repository), checkpoint=broken), "broken.pth"),
    ]
    for tracker, named in cases:
        with pytest.raises(InputError, match=f"(?s)can't load CoTracker's .*{named}.*{overrides}") as caught:
            tracker.load("cpu")
        assert "\n" not in str(caught.value)
    (repository / "cotracker/predictor.py").write_text("import einops_that_nobody_has")
    with pytest.raises(InputError, match=f"einops_that_nobody_has.*{overrides}"):
        CoTracker(repo=str(repository), checkpoint=checkpoint).load("cpu")


def test_an_unreachable_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: str, **options: object) -> None:
        assert words == ("facebookresearch/co-tracker", "cotracker3_offline")
        assert options["source"] == "github"
        raise OSError("no route\nto host")

    monkeypatch.setattr(torch.hub, "load", refuse)
    with pytest.raises(InputError, match="from facebookresearch/co-tracker .*no route to host"):
        CoTracker().load("cpu")


def test_a_version_names_the_weights_by_content(checkpoint: str, tmp_path: Path) -> None:
    tracker: Tracker = CoTracker()
    assert tracker.version() == "cotracker3_offline grid=55 published"
    known = tmp_path / "abc.pth"
    known.write_bytes(b"abc")
    # The well-known SHA-256 of "abc" begins so (FIPS 180-2, appendix B.1).
    first = CoTracker("cotracker_w8", str(tmp_path), str(known), grid=8)
    assert first.version() == "cotracker_w8 grid=8 sha256:ba7816bf8f01"
    assert CoTracker("cotracker_w8", checkpoint=checkpoint, grid=8).version() != first.version()
    with pytest.raises(InputError, match=r"can't read .*gone.*set metric\.motion_fidelity\.tracker\.checkpoint="):
        CoTracker(checkpoint=str(tmp_path / "gone")).version()


def test_a_grid_of_one_point_is_refused() -> None:
    with pytest.raises(InputError, match="grid=1: accepted are 2"):
        CoTracker(grid=1)
