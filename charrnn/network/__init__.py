"""The same network in PyTorch, for training.

    ids (B, T) ──embedding, stack──▶ (T, B, H) ──head──▶ logits (B, T, V)

modes      PyTorch's modes as charrnn needs them
modules    PyTorch's modules before their first weights
stack      recurrent layers, computed in one of several ways
base       what every network can tell of itself
char_rnn   embedding → recurrent stack → head
encoder    rows of different lengths through one stack or two, for the other tasks
attention  a decoder that looks at what an encoder has read
"""
