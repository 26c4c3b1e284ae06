"""A model on disk: written completely or not at all, checked when read, and never code.

    record, tokenizer, weights ──files──▶ folder ──reading──▶ record, tokenizer, weights

untrusted   opening and parsing files that anyone may have made
files       the files of a folder, and the manifest that lists them
tensors     arrays in one of them, and its metadata
hub         folders of models on the Hugging Face hub
record      what a model folder says of its model
reading     model folders, found by name and read
place       where a run's folder is, whatever becomes of the working directory
locking     one run at a time in a folder
card        what there is to know about a model, for people
notebook    how models and runs show themselves, printed and in a notebook
resuming    all that a run needs to go on exactly
"""
