"""Trained tasks in NumPy: what they answer, and how good the answers are.

    texts ──nets──▶ outputs (B, T, D·H) ──head──▶ answers ──scores──▶ Report

scores     how good answers are, beside trivial ones
nets       the networks of tasks, in NumPy
answers    what tasks say of an input
series     series of numbers as forecasters read them, and how good forecasts are
texts      texts as tasks read them, and the names of what they say
base       what the trained models of all tasks share, and those that read texts
classify   a class for each text
tag        marked spans
forecast   how series go on
translate  texts become other texts
loading    from a model folder to whatever model is in it
"""
