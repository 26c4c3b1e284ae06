"""Examples divided, and side by side.

    examples ──examples──▶ training, validation ──rows──▶ ids ──groups──▶ batches

groups     rows of like length in batches
periods    after how many values series repeat themselves
windows    which values of series are windows, for forecasts
series     windows of series side by side
examples   what the tasks that read texts share: division, start from language models
smoothing  what forecasts are differences from: the last season, or a smoothed one
rows       texts as rows of ids, for the tasks that read texts
"""
