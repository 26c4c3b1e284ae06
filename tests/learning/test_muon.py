"""Steps of hidden matrices: orthogonal by blocks of rows, and Muon's where there is one block."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from charrnn.learning.muon import ROUNDS, STEP, Muon, orthogonal
from charrnn.native.muon_code import ROWS
from tests.learning.test_learner import learner


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def step(weight: Tensor, gradient: Tensor, **changes: Tensor | float) -> Tensor:
    """What an update with these changes of the usual one adds to a weight."""
    one = weight.clone()
    one.grad = gradient.clone()
    values = {"rate": 0.1, "clip_divisor": torch.ones(()), "skip": None, **changes}
    Muon([one], weight_decay=0.0).update(**values)  # type: ignore[arg-type]
    return one - weight


def test_rows_become_nearly_orthonormal_and_keep_their_directions() -> None:
    """Singular vectors stay. Large values become alike, and small ones gain on them."""
    left, _ = torch.linalg.qr(matrix(7, 7))
    right, _ = torch.linalg.qr(matrix(11, 7, 1))
    sizes = torch.tensor([5.0, 3.0, 1.0, 0.7, 0.1, 0.03, 0.01])
    found = orthogonal((left * sizes @ right.T)[None])[0]
    inside = left.T @ found @ right
    values = inside.diagonal()
    assert torch.allclose(inside, torch.diag(values), atol=1e-3)
    assert 0.7 < float(values[:4].min()) < float(values[:4].max()) < 1.25
    torch.testing.assert_close(values[4:], 3.4445**2 * sizes[4:] / sizes.norm(), rtol=0.05, atol=0)


def test_matrices_do_not_mix() -> None:
    x = torch.stack([matrix(5, 9, seed) for seed in range(3)])
    x[1] = 0.0
    found = orthogonal(x)
    torch.testing.assert_close(found[2], orthogonal(x[2:])[0])
    assert not found[1].any()


def test_one_block_is_changed_as_by_pytorchs_muon() -> None:
    """Of several updates; PyTorch multiplies in bfloat16."""
    weight = matrix(ROWS, 90)
    theirs, ours = torch.nn.Parameter(weight.clone()), torch.nn.Parameter(weight.clone())
    plain = torch.optim.Muon(
        [theirs],
        lr=0.1,
        weight_decay=0.3,
        momentum=0.9,
        ns_steps=ROUNDS,
        adjust_lr_fn="match_rms_adamw",
    )
    own = Muon([ours], weight_decay=0.3)
    for update in range(4):
        gradient = matrix(ROWS, 90, 1 + update)
        theirs.grad, ours.grad = gradient.clone(), 3 * gradient
        plain.step()  # type: ignore[no-untyped-call]
        own.update(0.1, torch.tensor(3.0))
    moved = float((theirs - weight).detach().norm())
    assert float((theirs - ours).detach().norm()) < 0.02 * moved


def test_blocks_of_rows_are_changed_on_their_own() -> None:
    weight, gradient = matrix(3 * ROWS, 70), matrix(3 * ROWS, 70, 1)
    whole = step(weight, gradient)
    for rows in (slice(0, ROWS), slice(ROWS, 2 * ROWS), slice(2 * ROWS, None)):
        torch.testing.assert_close(whole[rows], step(weight[rows], gradient[rows]))
    assert float(whole.square().mean().sqrt()) == pytest.approx(0.1 * STEP, rel=0.25)


def test_a_rate_on_the_device_is_the_same_rate() -> None:
    weight, gradient = matrix(ROWS, 80), matrix(ROWS, 80, 1)
    one = step(weight, gradient, rate=0.25)
    torch.testing.assert_close(step(weight, gradient, rate=torch.tensor(0.25)), one)
    torch.testing.assert_close(step(weight, gradient, rate=0.25, skip=torch.zeros(())), one)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    weight = torch.nn.Parameter(matrix(ROWS, 80))
    one = Muon([weight], weight_decay=0.3)
    weight.grad = matrix(ROWS, 80, 1)
    one.update(0.1, torch.ones(()))
    before, mean = weight.detach().clone(), one.means[weight].clone()
    weight.grad[3, 4] = torch.nan
    one.update(0.1, torch.tensor(torch.nan), skip=torch.ones(()))
    assert torch.equal(weight, before)
    assert torch.equal(one.means[weight], mean)


def test_only_matrices_of_units_are_changed_so() -> None:
    """The first update of all others is AdamW's, to the bit."""
    ours, plain = (learner(hidden_size=ROWS, optimizer=name) for name in ("muon", "adamw"))
    ours.update()
    plain.update()
    differing = {
        name
        for (name, one), other in zip(
            ours.network.named_parameters(), plain.network.parameters(), strict=True
        )
        if not torch.equal(one, other)
    }
    assert differing == {f"rnn.weight_{kind}" for kind in ("hh_l0", "hh_l1", "ih_l1")}
    arrays = ours.tensors()
    assert differing == {
        n[5:] for n in arrays if n[:5] == "mean." and f"square.{n[5:]}" not in arrays
    }
