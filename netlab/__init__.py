"""Real networks on one machine: browsers in network namespaces behind real NATs, and faults with names.

    with Lab() as lab:
        lab.a.stand_behind(SYMMETRIC)
        with faults.udp_cut(lab.a):
            ...

`python -m netlab` prints which path each pair of networks reaches (docs/netlab.md). Needs root.
"""
