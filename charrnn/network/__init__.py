"""The same network in PyTorch, for training.

    ids (B, T) ──embedding, recurrent──▶ (T, B, H) ──head──▶ logits (B, T, V)

modes       PyTorch's modes as charrnn needs them
modules     PyTorch's modules before their first weights
team        threads for machine code: PyTorch's, or Python's
engine      what runs the steps of a layer: the contract
kernels     in machine code
loops       in PyTorch's operations
sequences   a layer over a whole sequence, with its gradients, by either
builtin     a layer over a whole sequence by PyTorch's own
choice      what can compute layers here, and what does
recurrent   stacks of layers
base        what every network can tell of itself
char_rnn    embedding → recurrent stack → head
encoder     rows of different lengths through one stack or two, for the other tasks
attention   a decoder that looks at what an encoder has read
"""
