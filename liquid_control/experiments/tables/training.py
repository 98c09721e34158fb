"""One run: a model trained and tested on one table with one seed."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from liquid_control.experiments.tables.recipes import Recipe
from liquid_control.experiments.tables.series import Series, Splits

TEST_BATCH = 256
CURVE_POINTS = 50


@dataclasses.dataclass(frozen=True, eq=False)
class Tensors:
    """A `Series` for PyTorch."""

    x: Tensor  # (N, T, F)
    dt: Tensor  # (N, T)
    y: Tensor  # (N, T, G) or (N,)
    length: Tensor  # (N,)

    @classmethod
    def of(cls, series: Series) -> Tensors:
        return cls(
            *(torch.from_numpy(getattr(series, field.name)) for field in dataclasses.fields(cls))
        )

    def __getitem__(self, index: Tensor) -> Tensors:
        """The sequences at `index`, cut to the longest of them."""
        length = self.length[index]
        time = int(length.max())
        y = self.y[index]
        return Tensors(
            self.x[index, :time], self.dt[index, :time], y if y.ndim == 1 else y[:, :time], length
        )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def labelled(self) -> bool:
        return self.y.ndim == 1


def train(
    network: nn.Module,
    recipe: Recipe,
    splits: Splits,
    seed: int,
    on_epoch: Callable[[int, float], None] = lambda epoch, error: None,
) -> dict:
    """Trains `network` by `recipe` and tests it; network(x, dt, length) is called with a batch.

    Returns the test result ("test": mean squared error over all steps and columns, or accuracy in
    percent), the learning curve and what it took. A run whose loss is no longer finite stops there.
    """
    sets = {name: Tensors.of(getattr(splits, name)) for name in ("train", "validation", "test")}
    shuffle = torch.Generator().manual_seed(seed)
    parameters = list(network.parameters())
    penalised = [
        parameter
        for name, parameter in network.cell.named_parameters()
        if parameter.ndim > 1 and not name.startswith("memory")
    ]
    optimiser = _optimiser(parameters, recipe)
    per_epoch = len(sets["train"]) // recipe.batch
    curve, best, best_epoch, best_weights, step = [], math.inf, 0, None, 0
    started, started_cpu = time.perf_counter(), time.process_time()
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        losses = []
        for index in torch.randperm(len(sets["train"]), generator=shuffle).split(recipe.batch):
            if recipe.whole_batches and len(index) < recipe.batch:
                break
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate * recipe.decay ** (step / per_epoch)
            loss = _loss(network, sets["train"][index])
            optimiser.zero_grad()
            loss.backward()
            if recipe.penalty and penalised:
                torch._foreach_add_(
                    [p.grad for p in penalised],
                    [p.detach() for p in penalised],
                    alpha=2 * recipe.penalty,
                )
            if recipe.clip:
                _clip([parameter.grad for parameter in parameters], recipe.clip)
            optimiser.step()
            losses.append(loss.detach())
            step += 1
        trained, error = float(torch.stack(losses).mean()), measure(network, sets["validation"])[0]
        curve.append([epoch, round(trained, 6), round(error, 6)])
        if error < best:
            best, best_epoch = error, epoch
            best_weights = {name: value.clone() for name, value in network.state_dict().items()}
        on_epoch(epoch, error)
        if not math.isfinite(trained):
            break
    results = {"last": measure(network, sets["test"])[1]}
    if best_weights is not None:
        network.load_state_dict(best_weights)
    results["validation"] = measure(network, sets["test"])[1]
    return {
        "test": results[recipe.tested],
        "test_by_weights": results,
        "best_epoch": best_epoch,
        "best_validation_loss": best,
        "curve": _thin(curve),
        "steps": step,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - started_cpu, 1),
        "parameters": sum(parameter.numel() for parameter in parameters),
    }


@torch.no_grad()
def measure(network: nn.Module, data: Tensors) -> tuple[float, float]:
    """Mean loss, and the table's metric: the same for steps, the accuracy in percent for labels."""
    network.eval()
    loss = right = 0.0
    for index in torch.arange(len(data)).split(TEST_BATCH):
        batch = data[index]
        loss += float(_loss(network, batch)) * len(index)
        right += (
            float(((network(batch.x, batch.dt, batch.length)[:, 0] > 0) == (batch.y > 0.5)).sum())
            if data.labelled
            else 0.0
        )
    return loss / len(data), 100 * right / len(data) if data.labelled else loss / len(data)


def _loss(network: nn.Module, batch: Tensors) -> Tensor:
    """Mean squared error of a target per step, or cross entropy of the last step's logit."""
    if batch.labelled:
        return binary_cross_entropy_with_logits(
            network(batch.x, batch.dt, batch.length)[:, 0], batch.y
        )
    return mse_loss(network(batch.x, batch.dt, None), batch.y)


def _optimiser(parameters: list[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(
            parameters, recipe.rate, alpha=0.9, eps=recipe.epsilon, foreach=True
        )
    return torch.optim.Adam(parameters, recipe.rate, eps=recipe.epsilon, fused=True)


def _clip(gradients: list[Tensor], limit: float) -> None:
    norms = torch.stack(torch._foreach_norm(gradients))
    if bool((norms > limit).any()):
        torch._foreach_mul_(gradients, list((limit / norms.clamp(min=limit)).unbind()))


def _thin(curve: list[list[float]]) -> list[list[float]]:
    """About `CURVE_POINTS` of its points, the last one included."""
    every = max(1, len(curve) // CURVE_POINTS)
    return curve[::-1][::every][::-1]
