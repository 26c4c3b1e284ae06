"""What is settled before the first update, each size and setting with its reason.

    Request, what was read ──▶ Plan

advice    what would make a model better
plan      what a plan holds
recipes   which optimizer, by how much a network learns about each of its weights
shares    how the text of a language model is divided and read
language  plans of language models
sizes     the size of a network for examples
texts     plans of classifiers and taggers
pairs     plans of translators
series    plans of forecasters
"""
