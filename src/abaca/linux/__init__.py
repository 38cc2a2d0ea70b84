"""Primitives of a Linux host: namespaces, links, NFS-Ganesha, btrfs. Knows nothing of shares."""
