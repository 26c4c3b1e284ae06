"""Examples divided, and side by side.

    examples ──examples──▶ training, validation ──rows──▶ ids ──groups──▶ batches

groups    rows of like length in batches
windows   series as windows, for forecasts
examples  what the tasks that read texts share: division, start from language models
rows      texts as rows of ids, for the tasks that read texts
"""
