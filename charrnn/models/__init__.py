"""A trained model in NumPy: it reads, scores and writes text without PyTorch.

    folder ──loading──▶ model;  ids (B, T), state ──model──▶ logits (B, T, V), state

stepper     one token after another, as fast as memory delivers the weights
hooks       a model watched while it reads
predictor   what every model can do with a text
clamp       a model with units held at values
model       one trained model
mixture     several models as one
loading     from a folder to a model
"""
