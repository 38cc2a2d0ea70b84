"""An extension of the `openstack` client: what Abaca has beyond the Manila API.

A client: it speaks to a service by HTTP alone, and imports nothing else of Abaca.
"""
