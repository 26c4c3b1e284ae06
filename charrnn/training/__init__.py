"""From data to a model folder; a run is an iterator of events.

    data, plan ──starting: learner, recorder──▶ loop ──▶ events, folder

events      what training reports while it runs
trial       which way to compute is the fastest here
pacing      how many updates fit in the minutes
neighbours  leaves other programs their part of the processors
deadline    keeps a run to its minutes
diagnosis   a run that has diverged, or has not enough memory
recorder    evaluations, best weights and saves of a run
loop        update, evaluate and save until a run is over
following   what the other processes of a run do
starting    a new run or a stopped one, prepared and then started
preparing   what a user asks for, read and planned
earlier     what an earlier run read, and how it is made again
run         the front door: train, resume, and the run they return
"""
