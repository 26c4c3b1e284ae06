"""From files to token ids.

    source ──tables──▶ pieces ──corpus──▶ text ──spool, tokenizer──▶ ids (N,)

tokenizer   text ↔ ids, by character or by byte
tables      tables and data sets → text, piece by piece
corpus      files, folders, data sets, standard input → text
origin      where a corpus was read, and how
cache       ids of long texts on disk
spool       a corpus → ids, in little memory however long it is
"""
