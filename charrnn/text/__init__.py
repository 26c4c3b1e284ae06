"""From files to token ids.

    source ──resolving, hub──▶ pieces ──corpus──▶ text ──spool, tokenizer──▶ ids (N,)

scripts     writing that has no spaces between words
tokenizer   text ↔ ids, by character or by byte
prepared    texts and lists as models read them
finding     which files a folder stands for, and which hold the same
hub         data sets of the hub → text, piece by piece
bundled     the texts and examples that come with charrnn
resolving   what sources stand for, each content once
division    text → records, if it is a list of them
corpus      files, folders, data sets, standard input → text
origin      where a corpus was read, and how
cache       the user's cache folder, and ids of long texts in it
records     where each record of a list stands among its ids
spool       a corpus → ids, in little memory however long it is
"""
