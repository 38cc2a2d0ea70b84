"""Torture: Abaca is killed wherever it can be, and what comes of it is compared with what should.

nursery     forks share managers that may be killed     site    a database, backends, their world
points      where a process may die                     asking  requests, as the API makes them
operations  what is asked, and what must come of it     trial   one operation, killed at one point
disasters   what else may happen                        storm   many tenants, random kills
report      what was found                              run     all of it, in bounded time

``docs/reliability.md`` says what is promised, and how to run it.
"""
