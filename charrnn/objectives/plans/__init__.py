"""What is settled before the first update, each size and setting with its reason.

    examples, minutes, what the user gave ──▶ Plan

advice    what would make a model better
plan      what a plan holds
planning  that of a language model
sizes     that of a task that reads texts
"""
