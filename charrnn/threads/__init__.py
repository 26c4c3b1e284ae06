"""The processors at hand, and threads that keep them busy.

    work ──side_by_side──▶ shares, a thread each;  jobs ──numpy_jobs──▶ results in their order

quota         how many processors this process may use
side_by_side  the shares of some work, each in a thread
numpy_jobs    jobs of NumPy products, as many at once as there are processors
"""
