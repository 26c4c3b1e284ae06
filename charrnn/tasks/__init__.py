"""Trained tasks in NumPy: what they answer, and how good the answers are.

    texts ──encoder──▶ outputs (B, T, D·H) ──head──▶ answers ──▶ Report

encoder     rows of different lengths through one stack or two
reports     scores beside those of trivial answers
"""
