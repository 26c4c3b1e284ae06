"""From files of any format to documents, piece by piece.

A format is one file of this room, and one row of the table in `registry`.

    path ──registry──▶ format ──read──▶ Piece, Piece, …

html        .html: text, not markup
columns     the text in the records of a table
xml         the archives of XML that documents are kept in
parquet     .parquet
jsons       .jsonl, .json
tables      .csv, .tsv
subtitles   .srt, .vtt: lines, not times
plain       anything else, exported chats among it
epub        .epub
docx        .docx
registry    which file is read how
"""
