"""What people see and type while a command runs.

    events ──progress──▶ standard error;  model ──writing──▶ standard output

output     what a command writes to standard output and standard error
options    options that commands share, and those made from the settings
curve      losses as a small plot of text
progress   training on a terminal
activity   what a unit does at each character, and which characters mattered
insights   what was found inside models, as tables
writing    texts as a model writes them, alone or with the user
"""
