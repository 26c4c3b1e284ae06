"""Work other than language modelling, with NumPy alone.

    folder, inputs ──▶ answers;  folder, examples ──▶ Report

reports     scores beside those of trivial answers
encoder     rows of different lengths through one stack or two
"""
