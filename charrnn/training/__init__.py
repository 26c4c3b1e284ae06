"""From data to a model folder; a run is an iterator of events.

    data, plan ──beginning: learner, recorder──▶ loop ──▶ events, folder

at_exit    loops that are still open when the program ends
events     what training reports while it runs
memory     what to do where a run is out of it, as an error
saver      saves that are written while training goes on
pace       how long a run takes: the fastest way to compute, updates, other programs
bar        a progress bar
recorder   evaluations, best weights and saves of a run
loop       update, evaluate and save until a run is over
following  what the other processes of a run do: what the first one tells them
beginning  a new run or a stopped one, prepared and then started
run        the front door: train, resume, and the run they return
"""
