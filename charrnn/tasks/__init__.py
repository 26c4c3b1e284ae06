"""Trained tasks in NumPy: what they answer, and how good the answers are.

    texts ──encoder──▶ outputs (B, T, D·H) ──head──▶ answers ──▶ Report

reports     scores beside those of trivial answers
answers     what tasks say of an input
edits       how far a text is from another
nearest     the most similar of many texts
measures    errors of forecasts, and forecasts without a model
encoder     rows of different lengths through one stack or two
texts       texts as tasks read them, and the names of what they say
viterbi     the best tags that are legal
windows     the last values of a series as a forecaster reads them
decoder     what writes a translation, token by token
classify    a class for each text
tag         marked spans
forecast    how series go on
translate   texts become other texts
loading     from a model folder to whatever model is in it
"""
