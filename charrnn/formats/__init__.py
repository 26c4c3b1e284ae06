"""From files of any format to documents, piece by piece.

A format is one file of this room, and one row of the table in `registry`.

    path ──registry──▶ format ──read──▶ Piece, Piece, …

gutenberg  what to say of books of Project Gutenberg, whatever their format
tables     .csv, .tsv, .jsonl, .json, .parquet
markup     .html, .epub, .docx
subtitles  .srt, .vtt: lines, not times
plain      anything else, exported chats among it
registry   which file is read how
"""
