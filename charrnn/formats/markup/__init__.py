"""Documents with markup: their text, without it.

    html ──text_of──▶ Piece;  archive ──xml──▶ elements ──epub, docx──▶ Piece

html  .html, and the pages of books
xml   the archives of XML that documents are kept in
epub  .epub
docx  .docx
"""
