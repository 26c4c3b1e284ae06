"""How large a page is, and how fast it writes in Chromium: with WebAssembly and without.

    python benchmarks/page.py

Untrained networks, 65 characters, embedding 64. Their weights are evenly spread, which packs worst:
the page of a trained model is smaller. On a busy machine, rates by the processor's time say more
than those by the clock.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from timing import keep

from charrnn import CharRNN, CharTokenizer
from charrnn.config import CellName, ModelConfig
from charrnn.folder.reading import read_model
from charrnn.sharing.bundle import bundle
from charrnn.sharing.page import model_page
from tests.browser import Browser

VOCABULARY = CharTokenizer("\n" + "".join(map(chr, range(32, 96))))
CELLS: tuple[CellName, ...] = ("rnn", "gru", "lstm")
OPEN = """
await opened;
const text = element("model").textContent.trim();
const data = await unpack(text);
data.tensors.wasm.values = new Uint8Array(1); // as good as none
window.models = { wasm: await openModel(text), script: new FileModel(data) };
return null;"""
WRITE = """
const [kind, length] = given;
let count = 0;
for await (const piece of models[kind].generate({ length, seed: 1 })) count += piece.length;
return count;"""


def rate(browser: Browser, kind: str, length: int) -> dict[str, float]:
    """Characters per second of a text of this length, by the clock and by the processor's time."""

    def clocks() -> tuple[float, float]:
        metrics = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        values = {metric["name"]: metric["value"] for metric in metrics}
        return values["Timestamp"], values["TaskDuration"]

    browser.run(WRITE, kind, length // 10)  # until the code has been compiled
    before = clocks()
    written = browser.run(WRITE, kind, length)
    clock, processor = (b - a for a, b in zip(before, clocks(), strict=True))
    return {"by_clock": written / clock, "by_processor": written / processor}


def measure(browser: Browser, cell: CellName, hidden_size: int) -> dict[str, object]:
    """The page of one network."""
    config = ModelConfig(
        cell=cell,
        vocab_size=VOCABULARY.vocab_size,
        embed_size=64,
        hidden_size=hidden_size,
        num_layers=2,
        skip=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        CharRNN(config).save_pretrained(Path(folder) / "model", VOCABULARY)
        page = Path(folder) / "page.html"
        page.write_text(model_page(bundle(read_model(Path(folder) / "model"))), encoding="utf-8")
        browser.open(page)
        browser.run(OPEN)
        found = {kind: rate(browser, kind, n) for kind, n in (("wasm", 10_000), ("script", 2_000))}
        return {"cell": cell, "hidden_size": hidden_size, "bytes": page.stat().st_size, **found}


def main() -> None:
    """Measure, print, write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as downloads:
        browser = Browser(Path(downloads))
        browser.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        for cell in CELLS:
            row = measure(browser, cell, 256)
            rows.append(row)
            print(json.dumps(row), flush=True)
        browser.driver.quit()
    keep("page", rows=rows)


if __name__ == "__main__":
    main()
