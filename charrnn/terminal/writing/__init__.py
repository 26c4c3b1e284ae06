"""What people see and type while a model writes.

    model ──sampler──▶ standard output;  keys ──interactive──▶ text

known        the records that models were trained on
sampler      texts as `charrnn sample` writes them
interactive  a text written by the user and the model in turn
"""
