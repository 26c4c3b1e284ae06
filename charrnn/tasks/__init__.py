"""Work other than language modelling, with NumPy alone.

    folder, inputs ──▶ answers;  folder, examples ──▶ Report

answers     what a model says of an input
reports     scores beside those of trivial answers
encoder     rows of different lengths through one stack or two
decoder     what writes a translation, token by token
edits       how far a text is from another
nearest     the most similar of many texts
translate   texts become other texts
"""
