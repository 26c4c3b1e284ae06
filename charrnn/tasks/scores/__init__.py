"""How good answers are, beside trivial ones.

    answers, what is right ──edits──▶ scores ──reports──▶ a table

reports  scores beside those of trivial answers
edits    how far a text is from another
nearest  the most similar of many texts
"""
