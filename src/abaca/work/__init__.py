"""The durable task queue: enqueue, claim, lease, finish."""
