"""What comes before the loop.

    Request ──preparing──▶ Data, Plan ──starting──▶ NewRun;  folder ──starting──▶ StoppedRun

starting   a new run or a stopped one, prepared and then started
preparing  what a user asks for, read and planned
earlier    what an earlier run read, and how it is made again
"""
