"""Muon, an optimizer for the matrices of a network (Jordan et al. 2024; Liu et al., arXiv 2502.16982).

Torch has one too (``torch.optim.Muon``), which makes its products in bfloat16 whatever the weights are: three times
slower in all on a CPU that has no such instructions. This one works in float32.
"""

import torch


class Muon(torch.optim.Optimizer):
    """Muon for matrices: Nesterov momentum, made orthogonal by five Newton-Schulz steps, in float32.

    Args:
        weights: matrices.
        lr: step, as a spectral norm (for matrices taller than wide, times the root of height by width).
        momentum: share of the old direction that is kept.
    """

    def __init__(self, weights: list[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for weight in group["params"]:
                alike.setdefault(weight.shape, []).append(weight)
            for (height, width), weights in alike.items():  # those of one shape together: fewer, larger products
                directions = _orthogonal(
                    torch.stack([self._direction(weight, group["momentum"]) for weight in weights])
                )
                for weight, direction in zip(weights, directions, strict=True):
                    weight.sub_(direction, alpha=group["lr"] * max(1, height / width) ** 0.5)

    def _direction(self, weight: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        assert weight.grad is not None
        average = self.state[weight].setdefault("average", torch.zeros_like(weight))
        average.lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(average, momentum)


def _orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Nearest orthogonal matrices, roughly: [n, height, width] with all singular values set to about one."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):  # the quintic of Jordan et al.
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if tall else x
