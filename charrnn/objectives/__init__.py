"""What a run learns, in PyTorch: data, network, batches and cost of each task.

    sources ──read──▶ Data ──plan──▶ Plan;  Data ──divided──▶ Task, as `learning.task` describes it

plan        what is settled before the first update
dividing    a text as a language model is trained on it
advice      what would make a model better
groups      rows of like length in batches
planning    every size and setting of a language model, with its reason
data        examples before they are divided: the contract
examples    what the tasks that read texts share: division, start from language models
rows        texts as rows of ids, for the tasks that read texts
sizes       every size and setting of these, with its reason
series      series as windows, and every size and setting of forecasts
base        data and task, as far as they are the same for these
language    the language model
classify    a class for each text
tag         a tag for each word
forecast    the next values of a series
translate   translation: a text for each text
table       all other tasks, a row each
"""
