"""Tables: the text in one of their columns.

    rows ──columns──▶ Piece

columns    the text in the records of a table
quotes     whether quotation marks enclose cells
delimited  .csv, .tsv
jsons      .jsonl, .json
parquet    .parquet
"""
