"""Rules of the kernel's packet filter, by the library of the program ``nft``.

The program takes 10 ms and more to start, the library one millisecond to do the work.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache

from abaca.errors import LinuxError

_LIBRARY = "libnftables.so.1"
_one_at_a_time = threading.Lock()
"""Nothing says that two contexts of the library may be used at the same time."""


def apply(rules: str) -> None:
    """Carry out these commands in the calling thread's network namespace, all of them or none.

    Raises LinuxError with what the library says against them.
    """
    library = _library()
    with _one_at_a_time:
        context = ctypes.c_void_p(library.nft_ctx_new(0))
        if not context:
            raise LinuxError("the kernel has no nf_tables, or this process may not use it")
        try:
            library.nft_ctx_buffer_error(context)
            if library.nft_run_cmd_from_buffer(context, rules.encode()) != 0:
                said: bytes = library.nft_ctx_get_error_buffer(context)
                raise LinuxError(f"setting firewall rules: {said.decode(errors='replace').strip()}")
        finally:
            library.nft_ctx_free(context)


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as failure:
        raise LinuxError(f"{_LIBRARY}: {failure}; install the Debian package nftables") from failure
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    return library
