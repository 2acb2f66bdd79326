"""The training step: what it draws, what it owns, when it refuses to go on."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, cast

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.condition import PROMPT_EMBEDS, Condition
from motion_inversion.core.process import Compared
from motion_inversion.core.timestep import Uniform
from motion_inversion.error import InputError
from motion_inversion.method.method import Reference
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.training.module import MotionLearning, ReferenceData
from motion_inversion.method.training.setting import check_optimizer


@dataclass(frozen=True)
class Noted:
    """A loss that notes what it compares: under an ε prediction, the target is the noise that was drawn."""

    value: float = 1.0
    on: Compared = "prediction"
    targets: list[Tensor] = field(default_factory=list)

    def __call__(self, prediction: Tensor, target: Tensor, generator: torch.Generator) -> Tensor:
        self.targets.append(target)
        return prediction.mean() * 0 + self.value


def learning(model: Backbone, method: MotionInversion, loss: Noted, seed: int = 0) -> MotionLearning:
    parts = {"motion": method.layout.zeros(model.sites())}
    losses = replace(method, loss=loss).losses(model)
    return MotionLearning(model, parts, losses, Uniform(), method.optimizer, seed)


def batches(reference: Reference, size: int, start: int, count: int) -> list[Any]:
    return list(islice(ReferenceData(reference, size, start).train_dataloader(), count))


def drawn(
    model: Backbone, method: MotionInversion, data: list[Any], monkeypatch: pytest.MonkeyPatch, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Noise, timesteps and noisy latents of all samples, and the text they came with."""
    loss = Noted()
    module = learning(model, method, loss, seed)
    inputs: list[tuple[Tensor, Tensor]] = []

    def predict(self: Backbone, latents: Tensor, t: Tensor, condition: Condition) -> Tensor:
        assert condition[PROMPT_EMBEDS].shape == (len(latents), 32, 16)
        inputs.append((latents, t))
        return latents

    monkeypatch.setattr(Backbone, "predict", predict)
    for number, batch in enumerate(data):
        module.training_step(batch, number)
    noise = torch.cat(loss.targets)
    return noise, torch.cat([t for _, t in inputs]), torch.cat([latents for latents, _ in inputs])


@pytest.mark.filterwarnings("ignore:.*self.log")
def test_draws_depend_on_the_seed_and_the_number_of_the_sample_alone(
    model: Backbone, method: MotionInversion, reference: Reference, monkeypatch: pytest.MonkeyPatch
):
    noise, t, noisy = drawn(model, method, batches(reference, 2, 4, 1), monkeypatch)
    for one, other in zip(
        (noise, t, noisy), drawn(model, method, batches(reference, 1, 4, 2), monkeypatch), strict=True
    ):
        assert torch.equal(one, other)
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise, drawn(model, method, batches(reference, 2, 4, 1), monkeypatch, seed=1)[0])


@pytest.mark.filterwarnings("ignore:.*self.log")
def test_the_network_sees_the_reference_at_the_noise_level_drawn(
    model: Backbone, method: MotionInversion, reference: Reference, monkeypatch: pytest.MonkeyPatch
):
    noise, t, noisy = drawn(model, method, batches(reference, 3, 0, 1), monkeypatch)
    # ZeroScope's levels, β from 0.00085 to 0.012, linear in its root, multiplied up in double precision.
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha = (1 - betas).cumprod(0)[t].view(-1, 1, 1, 1, 1)
    expected = alpha.sqrt() * reference.latents + (1 - alpha).sqrt() * noise
    torch.testing.assert_close(noisy, expected.float(), atol=1e-4, rtol=1e-4)
    assert len(set(t.tolist())) == 3


def test_samples_are_numbered_from_the_start(reference: Reference):
    numbers = [batch["index"].tolist() for batch in batches(reference, 2, 3, 2)]
    assert numbers == [[3, 4], [5, 6]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_it_reaches_the_embeddings(
    model: Backbone,
    method: MotionInversion,
    reference: Reference,
    value: float,
):
    module = learning(model, method, Noted(value))
    [batch] = batches(reference, 1, 0, 1)
    with pytest.raises(FloatingPointError, match=f"the loss is {value} at step 0"):
        module.training_step(batch, 0)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_it_owns_the_embeddings_alone(model: Backbone, method: MotionInversion):
    module = learning(model, method, Noted())
    embeddings = module.parts["motion"]
    assert len(module.state_dict()) == 15  # 5 blocks of the widest channels: one query-key, two values each
    assert {id(p) for p in module.parameters()} == {id(p) for p in embeddings.parameters()}
    optimizer = module.configure_optimizers()
    [group] = optimizer.param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in embeddings.parameters()}
    assert isinstance(module, pl.LightningModule) and not list(module.children())[1:]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": -1.0}, r"method\.optimizer .*learning rate"),
        ({"lr": 1e300}, r"method\.optimizer\.lr=1e\+300: accepted are numbers up to 1e\+06"),
        ({"lr": 0.1, "weight_decay": float("inf")}, r"method\.optimizer\.weight_decay=inf: accepted are"),
    ],
)
def test_an_optimizer_that_refuses_its_settings_is_named(
    method: MotionInversion, settings: dict[str, float], message: str
):
    with pytest.raises(InputError, match=message):
        check_optimizer(
            replace(method, optimizer=functools.partial(torch.optim.AdamW, **settings)), torch.device("cpu")
        )


class Weight(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))


def two_parts(losses: Callable[[Weight, Weight], dict[str, Tensor]], model: Backbone) -> MotionLearning:
    """A module of the parts a = 2 and b = 3, b with a learning rate of its own."""
    a, b = Weight(2.0), Weight(3.0)
    optimizer = functools.partial(torch.optim.SGD, lr=1.0)
    parts = {"a": a, "b": b}
    return MotionLearning(model, parts, lambda _: losses(a, b), Uniform(), optimizer, 0, {"b": 0.5})


def trained(module: MotionLearning, reference: Reference, **settings: Any) -> tuple[float, float]:
    """Both weights after one step of a real trainer."""
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_steps=1, accelerator="cpu", enable_model_summary=False, **quiet, **settings)
    trainer.fit(module, ReferenceData(reference, 1, 0))
    assert module._pending == []
    a, b = (cast(Weight, part).weight.item() for part in module.parts.values())
    return a, b


def losses_of_both(a: Weight, b: Weight) -> dict[str, Tensor]:
    return {"a": a.weight * b.weight, "b": a.weight * b.weight**2}


@pytest.mark.filterwarnings("ignore")
def test_each_part_follows_its_own_loss_at_its_own_rate(model: Backbone, reference: Reference):
    # d(ab)/da = 3 at rate 1; d(ab²)/db = 2ab = 12 at rate 0.5. The other derivatives, b² and a, must not count.
    assert trained(two_parts(losses_of_both, model), reference) == (2 - 3, 3 - 0.5 * 12)


@pytest.mark.filterwarnings("ignore")
def test_accumulated_batches_count_with_their_mean(model: Backbone, reference: Reference):
    module = two_parts(losses_of_both, model)
    assert trained(module, reference, accumulate_grad_batches=2) == (2 - 3, 3 - 0.5 * 12)


@pytest.mark.filterwarnings("ignore")
def test_a_part_without_a_loss_stays(model: Backbone, reference: Reference):
    assert trained(two_parts(lambda a, b: {"a": a.weight * b.weight}, model), reference) == (2 - 3, 3)
