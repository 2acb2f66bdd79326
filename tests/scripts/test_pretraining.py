"""What the pretraining of the embedded model does itself: noise levels, optimizer, processes that train together."""

import copy
import multiprocessing

import pytest
import torch
from torch import Tensor, nn

from motion_inversion.backbone.attention import ExplicitAttention
from pretraining import processes
from pretraining.denoiser import BUILD
from pretraining.diffusion import spread
from pretraining.lesson import LESSONS, UNET, Lesson
from pretraining.optimizer import MATRIX_DECAY, MuonAdamW, orthogonalise
from pretraining.progress import Budget


@pytest.mark.parametrize("lesson", [UNET, *LESSONS.values()])
def test_every_band_of_noise_levels_gets_its_share(lesson: Lesson) -> None:
    places = lesson.place(spread(100_000))
    assert places.min() >= 0 and places.max() < 1
    start = 0.0
    for end, share in lesson.levels:
        inside = places[(places >= start) & (places < end)]
        assert len(inside) / len(places) == pytest.approx(share, abs=1e-3)
        assert inside.mean().item() == pytest.approx((start + end) / 2, abs=1e-3)  # uniform within the band
        start = end


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    matrices = torch.randn(3, 24, 16, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrices).float())
    assert values.min() > 0.5 and values.max() < 1.3


def test_muon_in_batches_is_torchs_muon() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Conv1d(4, 6, 3), nn.Linear(16, 8), nn.Linear(8, 16))
    twin = copy.deepcopy(model)
    ours = MuonAdamW({"model": model}, 1e-2, fused=False)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    pairs = [(n, p, q) for (n, p), q in zip(model.named_parameters(), twin.parameters(), strict=True) if p.ndim > 1]
    views = [nn.Parameter(q.detach().flatten(1)) for _, _, q in pairs]
    theirs = torch.optim.Muon(views, lr=1e-2, weight_decay=MATRIX_DECAY, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        for (_, parameter, _), view in zip(pairs, views, strict=True):
            assert parameter.grad is not None
            view.grad = parameter.grad.flatten(1).clone()
        ours.step(1.0)
        theirs.step()
    for (name, parameter, _), view in zip(pairs, views, strict=True):
        moved = (parameter.detach() - before[name]).norm()
        assert (parameter.detach().flatten(1) - view.detach()).norm() < 0.05 * moved  # both round to bfloat16
        assert moved > 0


def test_muon_goes_on_from_its_saved_state() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 6)
    gradients = [[torch.randn_like(p) for p in model.parameters()] for _ in range(4)]

    def train(steps: list[list[Tensor]], optimizer: MuonAdamW, network: nn.Module) -> None:
        for step in steps:
            for parameter, gradient in zip(network.parameters(), step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step(1.0)

    optimizer = MuonAdamW({"model": model}, 1e-2, fused=False)
    train(gradients[:2], optimizer, model)
    twin, state = copy.deepcopy(model), copy.deepcopy(optimizer.state_dict())
    resumed = MuonAdamW({"model": twin}, 1e-2, fused=False)
    resumed.load_state_dict(state)
    train(gradients[2:], optimizer, model)
    train(gradients[2:], resumed, twin)
    for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(parameter, other)


def _take_part(rank: int, port: int, queue: "multiprocessing.Queue[tuple[int, float, list[float]]]") -> None:
    store = torch.distributed.TCPStore("127.0.0.1", port, 2, is_master=rank == 0)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    used, unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    used.grad = torch.tensor([1.0, 2.0]) * (1 + 2 * rank)
    if rank == 1:
        unused.grad = torch.tensor([8.0])
    processes.average_gradients([used, unused])
    assert unused.grad is not None
    budget = Budget(steps=10, seconds=1e9, spent=5.0, started=-100.0 * rank)  # clocks that differ
    next(iter(budget))
    queue.put((rank, budget.elapsed, [*used.grad.tolist(), *unused.grad.tolist()]))
    torch.distributed.destroy_process_group()


def test_processes_average_their_gradients_and_share_a_clock() -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[tuple[int, float, list[float]]] = context.Queue()
    port = torch.distributed.TCPStore("127.0.0.1", 0, 1, is_master=True).port
    workers = [context.Process(target=_take_part, args=(rank, port, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    results = sorted(queue.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    (_, first, gradients), (_, second, others) = results
    assert first == second
    assert gradients == others == [2.0, 4.0, 4.0]


def test_one_process_has_nothing_to_agree_on() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    processes.average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 1.0]
    assert (processes.rank(), processes.size(), processes.agree(3.5)) == (0, 1, 3.5)


def test_a_budget_ends_by_steps_by_seconds_and_by_its_pause() -> None:
    assert list(Budget(steps=3, seconds=1e9)) == [0, 1, 2]
    assert list(Budget(steps=3, seconds=1e-9)) == []
    assert list(Budget(steps=3, seconds=1e9, pause_after=-1.0)) == []
    assert list(Budget(steps=5, seconds=1e9, step=3)) == [3, 4]


@pytest.mark.parametrize("kind", BUILD)
def test_attention_in_plain_products_is_the_networks_own(kind: str) -> None:
    torch.manual_seed(0)
    denoiser = BUILD[kind]("cpu")
    latents, text, t = torch.randn(2, 12, 16, 8, 8), torch.randn(2, 32, 96), torch.tensor([3, 900])
    with torch.no_grad():
        for parameter in denoiser.network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))  # gates that start at zero hide what is behind them
        expected = denoiser.predict(latents, t, text)
        with ExplicitAttention():
            explicit = denoiser.predict(latents, t, text)
    assert explicit.shape == latents.shape and expected.std() > 0.01
    torch.testing.assert_close(explicit, expected, rtol=0, atol=1e-4)
