"""Rows of a table, whose gradients are a product."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import embedding

from charrnn.network.stack.products import read_rows


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=["full", "half"])
def test_rows_and_their_gradients_are_an_embeddings(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    full = torch.float64 if dtype == torch.float64 else torch.float32
    table = torch.randn(7, 5, generator=generator).bfloat16().to(full).requires_grad_()
    ids = torch.randint(6, (4, 3), generator=generator)  # T, B; nobody reads the last row
    slope = torch.randn(4, 3, 5, generator=generator).to(dtype)
    rows = read_rows(table, ids, dtype)
    assert rows.dtype == dtype
    assert torch.equal(rows, embedding(ids, table).to(dtype))
    (found,) = torch.autograd.grad(rows, table, slope)
    (expected,) = torch.autograd.grad(embedding(ids, table), table, slope.to(full))
    assert found.dtype == full
    torch.testing.assert_close(found, expected, rtol=1e-12 if dtype == full else 0.01, atol=0.0)
