"""EPUB and Word documents."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

__all__ = [
    "DOCUMENT",
    "MAIN",
    "PAGE_FILES",
    "RELATIONS",
    "STRICT",
    "TEXT",
    "W",
    "docx_files",
    "page",
    "write",
    "write_docx",
    "write_epub",
    "zip_of",
]

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
DOCUMENT = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:body>
<w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>
  <w:r><w:t>It’s late, </w:t></w:r><w:r><w:t xml:space="preserve">she </w:t><w:t>said.</w:t></w:r>
</w:p>
<w:p><w:r><w:t>one</w:t><w:tab/><w:t>two</w:t><w:br/><w:t>three &amp; four</w:t></w:r></w:p>
<w:p/>
<w:p><w:del><w:r><w:delText>gone</w:delText><w:t>gone</w:t></w:r></w:del>
  <w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>
<mc:AlternateContent><mc:Choice><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Choice>
  <mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
</w:body></w:document>"""
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId2" Target="docProps/core.xml" Type="http://schemas.openxmlformats.org/'
    'package/2006/relationships/metadata/core-properties"/><Relationship Id="rId1" Type="{type}"'
    ' Target="{target}"/></Relationships>'
)
MAIN = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
STRICT = "http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument"
TEXT = "It’s late, she said.\none\ttwo\nthree & four\n\nnew\nbox\ncell\n"

CONTAINER = """<?xml version="1.0"?><container version="1.0"
 xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
 <rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>
 </rootfiles></container>"""
BOOK = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="two" href="text/ch%202.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/ch1.xhtml" media-type="application/xhtml+xml"/>
<item id="css" href="a.css" media-type="text/css"/></manifest>
<spine><itemref idref="one"/><itemref idref="css"/><itemref idref="two"/><itemref idref="one"/>
</spine></package>"""


def page(text: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>t</title></head><body><p>{text}</p></body></html>"
    )


def zip_of(files: Mapping[str, str | bytes]) -> bytes:
    """An archive of files, the same at every moment."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, content in files.items():
            archive.writestr(zipfile.ZipInfo(inside), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def write(name: str, files: Mapping[str, str | bytes]) -> None:
    Path(name).write_bytes(zip_of(files))


def docx_files(
    document: str | bytes = DOCUMENT, part: str = "word/document.xml"
) -> dict[str, str | bytes]:
    """What is in a Word document."""
    return {
        "[Content_Types].xml": "<Types/>",
        part: document,
        "_rels/.rels": RELATIONS.format(type=MAIN, target=part),
    }


def write_docx(name: str = "a.docx", document: str | bytes = DOCUMENT) -> None:
    write(name, docx_files(document))


PAGE_FILES: dict[str, str | bytes] = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": BOOK,
    "OEBPS/text/ch1.xhtml": page("Chapter one: caf&eacute;"),
    "OEBPS/text/ch 2.xhtml": page("Chapter two").encode("utf-16"),
}


def write_epub(**changes: str | bytes) -> None:
    write("a.epub", PAGE_FILES | {key.replace("__", "/"): value for key, value in changes.items()})
