"""From a text to a model folder; a run is an iterator of events.

    text, budget ──planning──▶ plan ──loop: learner, recorder──▶ events, folder

lanes       ids → batches: lanes that are read on and on
events      what training reports while it runs
planning    corpus, budget and machine → sizes and settings, with reasons
transfer    starting from another model's weights
learner     one training step
pacing      how many updates fit in the minutes
recorder    evaluations, best weights and saves of a run
loop        train and resume
"""
