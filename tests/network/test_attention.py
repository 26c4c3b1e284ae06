"""The decoder: what it reads at once it reads step by step, and padding changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from charrnn.cells.rules import CELLS
from charrnn.config import CellName, ModelConfig
from charrnn.network.attention import Decoder

LENGTHS = torch.tensor([4, 1, 6])
T, B, S, H, R = 6, 3, 5, 8, 2


def decoder_of(cell: CellName = "lstm", layers: int = 2) -> Decoder:
    config = ModelConfig(
        cell=cell,
        vocab_size=7,
        embed_size=4,
        hidden_size=H,
        num_layers=layers,
        skip=True,
        bidirectional=True,
    )
    decoder = Decoder(config, R, torch.Generator().manual_seed(2)).eval()
    torch.nn.init.normal_(decoder.move.weight, generator=torch.Generator().manual_seed(3))
    return decoder


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(T, B, 2 * H, generator=generator)
    return output, torch.randint(0, 7, (S, B), generator=generator)


@pytest.mark.parametrize("cell", sorted(CELLS))
@torch.inference_mode()
def test_step_by_step_as_at_once(cell: CellName) -> None:
    decoder, (output, ids) = decoder_of(cell), inputs()
    memory, state, focus = decoder.remember(output, LENGTHS)
    vectors, after, last = decoder(ids, memory, state, focus)
    assert vectors.shape == (S, B, H)
    for step in range(S):
        vector, state, focus = decoder(ids[step : step + 1], memory, state, focus)
        torch.testing.assert_close(vector[0], vectors[step], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(focus, last, atol=1e-6, rtol=1e-5)
    for one, other in zip(state, after, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_padding_is_not_looked_at() -> None:
    decoder, (output, ids) = decoder_of(), inputs()
    vectors, _, focus = decoder(ids, *decoder.remember(output, LENGTHS))
    torch.testing.assert_close(focus.sum(-1), torch.ones(B))
    for row, length in enumerate(LENGTHS.tolist()):
        assert (focus[row, length:] == 0).all()
        own = decoder.remember(output[:length, row : row + 1], LENGTHS[row : row + 1])
        alone, _, _ = decoder(ids[:, row : row + 1], *own)
        torch.testing.assert_close(alone[:, 0], vectors[:, row], atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_a_move_goes_from_the_focus() -> None:
    decoder, (output, ids) = decoder_of(layers=1), inputs()
    output = output.clone()
    output[..., :] = 1  # no token differs from another by its content
    decoder.move.weight.zero_()
    for offset in (-1, 0, 2):
        decoder.move.bias.zero_()
        decoder.move.bias[R - offset] = 50  # what stands so far after the focus gains
        memory, state, focus = decoder.remember(output, torch.full((B,), T))
        focus = torch.nn.functional.one_hot(torch.full((B,), 2), T).float()
        for step in range(2):
            _, state, focus = decoder(ids[step : step + 1], memory, state, focus)
            place = 2 + (step + 1) * offset
            if 0 <= place < T:
                assert focus.argmax(-1).tolist() == [place] * B


def test_the_first_state_is_what_each_direction_has_read_last() -> None:
    decoder, (output, _) = decoder_of(), inputs()
    before = decoder.remember(output, LENGTHS)[1]
    changed = output.clone()
    for row, length in enumerate(LENGTHS.tolist()):
        changed[: length - 1, row, :H] += 1  # forwards, before the end of the row
        changed[length:, row] += 1  # past its end
        changed[1:, row, H:] += 1  # backwards, before its beginning
    for one, other in zip(before, decoder.remember(changed, LENGTHS)[1], strict=True):
        torch.testing.assert_close(one, other)
        assert one.shape == (2, B, H)


def test_a_decoder_is_reset_as_it_was_made() -> None:
    decoder = decoder_of()
    torch.nn.init.zeros_(decoder.out.weight)
    for module in decoder.modules():
        if reset := getattr(module, "reset_parameters", None):
            reset()
    assert decoder.out.weight.any()
    assert not decoder.move.weight.any(), "no move at first"
