"""From files of any format to documents, piece by piece.

A format is one file of this room, and one row of the table in `registry`.

    path ──registry──▶ format ──read──▶ Piece, Piece, …

markup     .html, .epub, .docx
tables     .csv, .tsv, .jsonl, .json, .parquet
subtitles  .srt, .vtt: lines, not times
plain      anything else, exported chats among it
gutenberg  what to say of books of Project Gutenberg, whatever their format
registry   which file is read how
"""
