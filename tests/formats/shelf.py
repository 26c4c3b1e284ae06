"""A text in many formats, for the examples of the documentation."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from tests.formats.documents import PAGE_FILES, W, docx_files, page, zip_of
from tests.text.reading import gzipped

__all__ = ["write_shelf"]


def write_shelf(folder: Path, text: str) -> None:
    """Write `text` into `folder` as film.srt, page.html, letter.docx and so on."""
    lines = text.splitlines()
    cues = (
        f"{n}\n00:00:{n % 60:02},000 --> 00:00:{n % 60:02},900\n{line}\n"
        for n, line in enumerate(lines)
    )
    (folder / "film.srt").write_text("\n".join(cues))
    (folder / "page.html").write_text("".join(f"<p>{line}</p>\n" for line in lines))
    paragraphs = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in lines)
    document = f"<w:document {W}><w:body>{paragraphs}</w:body></w:document>"
    (folder / "letter.docx").write_bytes(zip_of(docx_files(document)))
    chapter = page("<br/>".join(lines))
    (folder / "book.epub").write_bytes(zip_of(PAGE_FILES | {"OEBPS/text/ch1.xhtml": chapter}))
    chat = {"messages": [{"role": "user", "content": line} for line in lines]}
    (folder / "chats.jsonl").write_text(json.dumps(chat) + "\n")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        member = tarfile.TarInfo("chapters/one.txt")
        member.size = len(text.encode())
        archive.addfile(member, io.BytesIO(text.encode()))
    (folder / "chapters.tar.gz").write_bytes(gzipped(data.getvalue()))
