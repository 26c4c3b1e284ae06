"""One update after another: a network that learns from batches.

    task ──▶ batches ──eager or graph──▶ weights, losses

clock       the time, and how much of it work has taken
lanes       ids → batches: lanes that are read on and on
records     records → batches: each from its beginning, in a new order each epoch
ranks       processes that train together
devices     what computes, and in which numbers
threads     in how many threads an update is computed
seeds       random numbers that depend on a key alone
optimizer   AdamW and its learning rate
task        what a run learns: batches, cost and score
eager       an update in PyTorch's operations, one after the other
graph       a whole update as one CUDA graph
learner     weights, optimizer, hidden state, and how many updates were made
transfer    starting from another model's weights
"""
