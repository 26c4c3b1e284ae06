"""One update after another: a network that learns from batches.

    task ──▶ batches ──eager or graph──▶ weights, losses

hardware   what computes, in how many threads and processes, and how long
lanes      ids → batches: lanes that are read on and on
records    records → batches: each from its beginning, in a new order each epoch
seeds      random numbers that depend on a key alone
muon       steps of hidden matrices, orthogonal by blocks
optimizer  AdamW, Muon and their learning rate
task       what a run learns: batches, cost and score
eager      an update in PyTorch's operations, one after the other
graph      a whole update as one CUDA graph
learner    weights, optimizer, hidden state, and how many updates were made
transfer   starting from another model's weights
"""
