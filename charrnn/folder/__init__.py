"""A model on disk: written all or none, checked when read, never code.

    record, tokenizer, weights ──files──▶ folder ──untrusted, files──▶ record, tokenizer, weights

untrusted   files that anyone may have made
files       the files of a folder, and the manifest that lists them
record      the model folder: find, read, describe
locking     one run at a time in a folder
card        a model's facts, for people
notebook    how models and runs show themselves in a notebook
resuming    all that a run needs to go on
"""
