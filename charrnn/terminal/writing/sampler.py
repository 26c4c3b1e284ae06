"""Texts as `charrnn sample` writes them: one as it is drawn, several, or the best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import msgspec

from charrnn.config import Unknown
from charrnn.errors import CharRNNError
from charrnn.sampling import beams, generation
from charrnn.sampling.generation import Sample
from charrnn.sampling.records import Wanted, draw_records
from charrnn.sampling.token_source import GenerationRequest
from charrnn.scoring.novelty import RUN, Copies, Novelty
from charrnn.terminal.output import OutputFile, encode_json, say, write

__all__ = ["Sampler"]

TRIES = 50  # draws of a text before --reject-copies gives up


@dataclass
class Sampler:
    """Draws texts from a model and writes them where the user wants them.

    Attributes:
        request: what to draw.
        prompt: text to continue, as it is shown.
        unknown: what to do with characters that the user types and the model does not know.
        out: where the text goes.
        echo: whether to repeat the prompt before the text.
        json: whether to write JSON, one object for each text.
        copies: finds copied passages; None if nobody asked.
        received: signals to stop. After one, texts that are wanted whole are written as far as
            they have come.
        wrote: whether anything is written yet.
    """

    request: GenerationRequest
    prompt: str
    unknown: Unknown
    out: TextIO | OutputFile
    echo: bool
    json: bool
    copies: Copies | None
    received: list[int] = field(default_factory=list)
    wrote: bool = False

    def write(self, text: str) -> None:
        """Write `text` at once, whether to a terminal, a pipe or a file."""
        write(text, self.out)
        self.wrote = True

    def stream(self) -> None:
        """One text, shown as it is drawn."""
        pieces = generation.stream(self.request)
        copies = self.copies
        written = []
        if self.echo:
            self.write(self.prompt)
        try:
            for piece in pieces:
                self.write(piece)
                if copies:
                    written.append(piece)
        finally:
            self.write("\n")
        if copies:
            _report(copies.check("".join(written)))

    def samples(self, count: int, longest_copy: int | None) -> None:
        """Several texts, drawn side by side; those that copy too much are drawn again."""
        seeds = generation.seeds_from(self._seed, count)
        written = 0
        for group in generation.groups(self.request, seeds):
            begin = time.perf_counter()
            found = self._uncopied(group, count, longest_copy)
            rate = sum(len(text.text) for text, _ in found) / (time.perf_counter() - begin)
            for text, copied in found:
                if written and not self.json:
                    self.write("\n")
                written += 1
                self._show_sample(text, rate, copied)
            if self.received:
                break

    def _uncopied(
        self, seeds: Sequence[int], count: int, longest_copy: int | None
    ) -> list[tuple[Sample, Novelty | None]]:
        """A text for each seed, and what it copies, if that was checked.

        In place of one that copies too much, the text of the seed `count` further on.
        """
        wanted = list(enumerate(seeds))
        found: dict[int, tuple[Sample, Novelty | None]] = {}
        for _ in range(TRIES):
            texts = self._draw([seed for _, seed in wanted])
            again = []
            for (number, seed), text in zip(wanted, texts, strict=True):
                copied = self._copied(text.text) if longest_copy else None
                if copied and longest_copy and len(copied.longest) > longest_copy:
                    again.append((number, generation.seeds_from(seed + count, 1)[0]))
                else:
                    found[number] = (text, copied)
            wanted = again
            if not wanted or self.received:
                break
        if wanted:
            missing = (
                f"{len(wanted)} of {len(seeds)} texts copied more than {longest_copy} characters"
            )
            if not self.received:
                raise CharRNNError(
                    f"{missing} in each of {TRIES} draws",
                    "allow longer copies, or a higher --temperature",
                )
            say(f"{missing} and are left out")
        return [found[number] for number in sorted(found)]

    def records(self, wanted: Wanted) -> None:
        """Whole records as they are found, and what ends them between; see `sampling.records`."""
        begin = time.perf_counter()
        written = 0
        has_written = False
        found = draw_records(self.request, wanted, stop=lambda: self.received)
        tokenizer = self.request.model.tokenizer
        prompt = tokenizer.decode(self.request.prompt[1:]) if self.echo else ""  # as it was read
        end = tokenizer.end or ""
        try:
            for record in found:
                written += len(record.text)
                if self.json:
                    self._show_sample(record, written / (time.perf_counter() - begin))
                    continue
                self.write((end if has_written else "") + prompt + record.text)
                has_written = True
        finally:
            if has_written:
                self.write("\n")

    def _copied(self, text: str) -> Novelty | None:
        return self.copies.check(text) if self.copies else None

    def best_of(self, count: int) -> None:
        """The likeliest of several texts."""
        begin = time.perf_counter()
        length = 0
        best: Sample | None = None
        seeds = generation.seeds_from(self._seed, count)
        for group in generation.groups(self.request, seeds):
            texts = self._draw(group)
            length += sum(len(text.text) for text in texts)
            best = max([best, *texts] if best else texts, key=lambda text: text.mean_log_prob)
            if self.received:
                break
        assert best is not None, "at least one is wanted"
        rate = length / (time.perf_counter() - begin)
        self._show_sample(best, rate)
        if not self.json:
            mean = f"{best.mean_log_prob:.4f} nats per {self._per}"
            say(f"the best of {count}: {mean}, seed {best.seed}")

    def beams(self, count: int, length_penalty: float) -> None:
        """The likeliest texts that a beam search finds."""
        begin = time.perf_counter()
        found = beams.beam_search(self.request, count, length_penalty, stop=lambda: self.received)
        rate = len(found[0].text) / (time.perf_counter() - begin)
        for number, beam in enumerate(found):
            if number and not self.json:
                self.write("\n")
            mean = beam.log_prob / max(beam.tokens, 1)
            self._show(beam.text, rate, score=beam.score, mean_log_prob=mean)
            if not self.json:
                say(f"score {beam.score:.4f}, {mean:.4f} nats per {self._per}")

    @property
    def _seed(self) -> int:
        assert self.request.config.seed is not None, "the command line always has one"
        return self.request.config.seed

    @property
    def _per(self) -> str:
        return self.request.model.tokenizer.loss_per

    def _draw(self, seeds: Sequence[int]) -> list[Sample]:
        return generation.generate_batch(self.request, seeds, stop=lambda: self.received)

    def _show_sample(self, found: Sample, rate: float, copied: Novelty | None = None) -> None:
        facts = {"seed": found.seed, "mean_log_prob": found.mean_log_prob}
        self._show(found.text, rate, copied, **facts)

    def _show(self, text: str, rate: float, copied: Novelty | None = None, **facts: Any) -> None:
        """Write one complete text, with what is known of it and was not yet looked for."""
        copied = copied or self._copied(text)
        if not self.json:
            self.write((self.prompt if self.echo else "") + text + "\n")
            if copied:
                _report(copied)
            return
        value = {"text": text, "prompt": self.prompt, **facts, "characters_per_second": rate}
        if copied:
            value["novelty"] = copied
        config = msgspec.structs.replace(self.request.config, seed=facts.get("seed"))
        self.write(encode_json(value | {"settings": config}))


def _report(found: Novelty) -> None:
    say(
        f"the longest copied passage has {len(found.longest)} characters: {found.longest!r}; "
        f"{found.share:.1%} of the text is in copied runs of {RUN} or more"
    )
