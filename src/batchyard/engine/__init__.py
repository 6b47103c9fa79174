"""One job, left to right: claim, prepare, plan, score, collect; and what deployments and dead owners need.

Nothing here knows HTTP, SQL, processes or files beyond the ports.
"""
