"""What is settled before the first update, each size and setting with its reason.

    Request, what was read ──▶ Plan

advice    what would make a model better
plan      what a plan holds
planning  that of a language model
sizes     the size of a network for examples
texts     plans of the tasks that read texts,
pairs     of translation, and
series    of forecasts
"""
