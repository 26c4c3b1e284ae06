"""Trained tasks in NumPy: what they answer, and how good the answers are.

    texts ──encoder──▶ outputs (B, T, D·H) ──head──▶ answers ──▶ Report

reports     scores beside those of trivial answers
answers     what a model says of an input
encoder     rows of different lengths through one stack or two
decoder     what writes a translation, token by token
edits       how far a text is from another
nearest     the most similar of many texts
translate   texts become other texts
loading     from a model folder to whatever model is in it
"""
