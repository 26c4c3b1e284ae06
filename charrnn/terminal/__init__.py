"""What people see and type while a command runs.

    events ──progress──▶ standard error;  model ──texts──▶ standard output

output       the options and the output that commands share
progress     training on a terminal
texts        texts as they are written for the user
interactive  a text written by the user and the model in turn
"""
