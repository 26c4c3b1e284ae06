"""From a text to a model folder; a run is an iterator of events.

    text, budget ──planning──▶ plan ──run: learner, recorder──▶ events, folder

events      what training reports while it runs
dividing    corpus → what is trained on, and what validates
planning    corpus, budget and machine → sizes and settings, with reasons
trial       which way to compute is the fastest here
pacing      how many updates fit in the minutes
deadline    keeps a run to its minutes
diagnosis   what the losses of a run tell
recorder    evaluations, best weights and saves of a run
loop        update, evaluate and save until a run is over
starting    a new run or a stopped one, prepared and then started
earlier     what an earlier run read, and how it is made again
run         the front door: train, resume, and the run they return
"""
