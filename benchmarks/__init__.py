"""How fast Abaca is, measured beside a baseline in the same run: ``make bench``.

One file per benchmark, named in `benchmarks.__main__`. None is imported by the
service. What the figures mean is in docs/performance.md.
"""
