"""What computes, in how many threads and processes, and how long.

    settings, this machine ──▶ device, precision, threads, ranks

clock    the time, and how much of it work has taken
memory   freed memory that waits for the next update
ranks    processes that train together
threads  in how many threads an update is computed
devices  what computes, and in which precision
"""
