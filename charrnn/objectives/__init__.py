"""What a run learns, in PyTorch: data, network, batches and cost of each task.

    Request ──read──▶ Data ──plan──▶ Plan;  Data ──task──▶ Task, as `learning.task` describes it

request     what a user asks for, and examples before they are divided: the contracts
batches     examples divided, and side by side
validation  a validation set of the user's own
plans       what is settled before the first update
base        what tasks have in common that learn from examples, and those that read texts
language    the language model
classify    a class for each text
tag         a tag for each word
forecast    the next values of a series
translate   translation: a text for each text
table       all other tasks, a row each
"""
