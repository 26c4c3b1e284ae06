"""What a run learns, in PyTorch: data, network, batches and cost of each task.

    sources ──read──▶ Data ──plan──▶ Plan;  Data ──divided──▶ Task, as `learning.task` describes it

plan        what is settled before the first update
dividing    a text as a language model is trained on it
advice      what would make a model better
planning    every size and setting of a language model, with its reason
data        examples before they are divided: the contract
language    the language model
table       all other tasks, a row each
"""
