"""From files to token ids.

    source ──decoding, tables──▶ pieces ──corpus──▶ text ──spool, tokenizer──▶ ids (N,)

tokenizer   text ↔ ids, by character or by byte
decoding    bytes → text, piece by piece
tables      tables and data sets → text, piece by piece
division    text → records, if it is a list of them
corpus      files, folders, data sets, standard input → text
origin      where a corpus was read, and how
cache       ids of long texts on disk
records     where each record of a list stands among its ids
spool       a corpus → ids, in little memory however long it is
"""
