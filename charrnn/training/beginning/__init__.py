"""What comes before the loop.

    Request ──preparing──▶ Data, Plan ──starting──▶ NewRun;  folder ──earlier──▶ StoppedRun, NewRun

moved      a run that goes on, or is made again, on another machine
starting   a new run or a stopped one, prepared and then started
preparing  what a user asks for, read and planned
earlier    a run in a folder, to go on with or to make again
"""
